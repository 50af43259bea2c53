"""What can be wrong with a link: `BadLink`, which names the part."""

from __future__ import annotations


class BadLink(ValueError):
    """A link that cannot work; `field` is the part to mend and `hint` the way out."""

    def __init__(self, field: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.field = field
        self.message = message
        self.hint = hint
