"""This launcher's own links: `/launch?env=...`. No I/O here."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import SplitResult

from link_generator.dialects.draft import Draft
from link_generator.dialects.place import Composed, Place
from link_generator.link import FIELDS, compose_link, parse_link

LABEL = "Launcher"
HOST = ""
BARE = re.compile(rf"({'|'.join(FIELDS)})=")


def compose(draft: Draft, place: Place) -> Composed:
    """:raises BadLink: there is no environment, or the host is no web address."""
    base = place.base(HOST)
    return Composed(compose_link(draft.link(), f"{base.scheme}://{base.netloc}{base.path}"))


def parse(parts: SplitResult) -> tuple[Draft, tuple[str, ...]] | None:
    ours = parts.path.rstrip("/").endswith("/launch") and parts.query
    if not ours and (parts.scheme or not BARE.match(parts.query or parts.path)):
        return None
    link, notes = parse_link(f"?{parts.query}" if parts.query else parts.path)
    return replace(Draft.of(link), dialect="launcher"), notes
