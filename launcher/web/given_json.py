"""JSON that programs send: what is no text, or nested without end, is no JSON to us."""

from __future__ import annotations

from typing import Any

from flask.json.provider import DefaultJSONProvider


class GivenJson(DefaultJSONProvider):
    """Flask's own, but for what its parser takes and no database or page can hold."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """:raises ValueError: it is no JSON; Flask answers that with a 400."""
        try:
            found = super().loads(s, **kwargs)
            self.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except RecursionError as error:
            raise ValueError("It is nested too deeply.") from error
        return found
