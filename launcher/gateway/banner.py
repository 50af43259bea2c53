"""A script of ours in the pages of a session's apps, by which students are told things.

Only in the pages that a person opens: never in answers to programs, files or proxied servers.
No I/O here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping

PAGES = re.compile(r"/s/[0-9a-f]+/(lab|tree|notebooks|edit|consoles|terminals|doc)(?=[/?]|$)")
SCRIPT = b'<script src="/static/notices.js" defer></script>'
SCRIPT_AWAY = '<script src="/static/notices.js" data-home="{home}" defer></script>'
"""Where sessions have a host name of their own: the launcher's pages are at `home`."""
LARGEST = 2 * 1024 * 1024
"""Bytes; the pages of Jupyter's apps have some ten thousand. Larger ones pass as they are."""


def is_page(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """True when a person opens a page of an app in a window of their own."""
    return (
        method == "GET"
        and PAGES.match(path) is not None
        and "text/html" in headers.get("Accept", "")
        and headers.get("Sec-Fetch-Dest", "document") == "document"
        and "Range" not in headers
    )


def can_carry(status: int, headers: Mapping[str, str]) -> bool:
    """True for an answer that the script can be put into: plain HTML of a known small size."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    size = headers.get("Content-Length", "")
    return (
        status == 200
        and kind == "text/html"
        and headers.get("Content-Encoding", "identity") == "identity"
        and size.isdigit()
        and int(size) <= LARGEST
    )


def with_script(page: bytes, home: str = "") -> bytes:
    """The page with the script at the end of its head; one without a head stays as it is."""
    script = SCRIPT_AWAY.format(home=html.escape(home)).encode() if home else SCRIPT
    place = re.search(rb"</head\s*>", page, re.IGNORECASE)
    return page[: place.start()] + script + page[place.start() :] if place else page
