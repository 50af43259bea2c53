"""Where a link of another dialect leads, and what composing it gives. No I/O here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from link_generator.checks import check_text
from link_generator.errors import BadLink
from link_generator.mangled import seal


@dataclass(frozen=True)
class Place:
    """The server that a link leads to; `host` may have a path of its own, and a query."""

    host: str = ""
    server: str = ""
    """A named server of a JupyterHub."""

    def __post_init__(self) -> None:
        for name in ("host", "server"):
            check_text(name, getattr(self, name))
        if not re.fullmatch(r"[\w.~-]*", self.server):
            raise BadLink("server", f"{self.server!r} is not the name of a server.")

    def base(self, default: str = "") -> SplitResult:
        """The host's address without a slash at its end.

        :raises BadLink: field `host`.
        """
        text = self.host or default
        way_out = "Give its address, for example https://hub.example.org."
        if not text:
            raise BadLink("host", "The link names no server.", way_out)
        text = text if "://" in text else f"https://{text}"
        try:
            parts = urlsplit(text)
            _ = parts.port
        except ValueError as error:
            raise BadLink("host", f"{text!r} is not a web address.", way_out) from error
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise BadLink("host", f"{text!r} is not a web address.", way_out)
        if re.search(r"\s|\\", text):
            raise BadLink("host", f"{text!r} is not a web address.", way_out)
        return parts._replace(path=parts.path.rstrip("/"), fragment="")


@dataclass(frozen=True)
class Composed:
    """A link of a dialect; `notes` say what it cannot do that the fields ask for."""

    url: str
    notes: tuple[str, ...] = ()
    config: str = ""
    """What to put into a file, for dialects that are configured."""


def address(base: SplitResult, path: str, query: str) -> str:
    """The address at `base`, whose own query is kept."""
    query = "&".join(part for part in (base.query, query) if part)
    return seal(f"{base.scheme}://{base.netloc}{base.path}{path}" + (f"?{query}" if query else ""))
