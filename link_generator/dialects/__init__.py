"""Every kind of link that others make or read, to and from the one Link. No I/O here.

`compose_in` writes a link in a dialect and `parse_any` reads any of them; a dialect is a module
beside this one with a row in the table.
"""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from link_generator.addresses import find_address
from link_generator.dialects import binder, canvas, jupyterbook, jupyterhub, launcher
from link_generator.dialects.draft import Draft
from link_generator.dialects.place import Composed, Place
from link_generator.errors import BadLink
from link_generator.mangled import LONGEST, unmangle


class Dialect(Protocol):
    """A kind of link."""

    LABEL: str
    HOST: str
    """Where its links lead if nothing else is said; empty if somebody must say it."""

    def compose(self, draft: Draft, place: Place) -> Composed:
        """:raises BadLink: the dialect has no words for it; `field` names the part."""

    def parse(self, parts: SplitResult) -> tuple[Draft, tuple[str, ...]] | None:
        """What a link of this kind names, and notes; None for other addresses.

        :raises BadLink: it is one, but cannot work.
        """


DIALECTS: dict[str, Dialect] = {
    "launcher": launcher,
    "binder": binder,
    "jupyterhub": jupyterhub,
    "canvas": canvas,
    "jupyterbook": jupyterbook,
}


def compose_in(dialect: str, draft: Draft, place: Place) -> Composed:
    """The link in a dialect.

    :raises BadLink: there is no such dialect, or it has no words for a part of the link.
    """
    if dialect not in DIALECTS:
        raise BadLink(
            "dialect", f"There is no dialect {dialect!r}.", f"Known: {', '.join(DIALECTS)}."
        )
    return DIALECTS[dialect].compose(draft, place)


def parse_any(url: str) -> tuple[Draft, tuple[str, ...]]:
    """What a pasted address names, and notes on what was passed over or is missing.

    :raises BadLink: a part cannot work; `field` names it.
    """
    text = unmangle(url)
    if not text:
        raise BadLink("url", "There is no address.", "Paste a link or a repository's address.")
    if len(text) > LONGEST:
        raise BadLink("url", f"The address is longer than {LONGEST} characters.")
    try:
        parts = urlsplit(text)
        if not parts.scheme and re.match(r"[\w-]+(\.[\w-]+)+(:\d+)?/", text):
            parts = urlsplit(f"https://{text}")
    except ValueError as error:
        raise BadLink("url", f"{text!r} is not a web address.", "Copy it again.") from error
    for dialect in reversed(DIALECTS.values()):  # our /launch last: /hub/lti/launch ends alike
        found = dialect.parse(parts)
        if found:
            return found
    return parse_address(text)


def parse_address(text: str) -> tuple[Draft, tuple[str, ...]]:
    """A repository, or a file or folder in one."""
    repo, branch, path = find_address(text)
    return Draft(repo=repo, branch=branch, path=path), ()
