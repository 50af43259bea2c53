"""Web addresses of files and folders at git hosts, as people copy them. No I/O here."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

# GitHub and Gitea's way, then GitLab's, where `/-/` ends the project's own path.
SHAPES = (
    re.compile(r"/(?P<repo>[^/]+/[^/]+)/(?:blob|tree)/(?P<ref>[^/]+)(?:/(?P<path>.*))?"),
    re.compile(r"/(?P<repo>.+?)/-/(?:blob|tree|raw)/(?P<ref>[^/]+)(?:/(?P<path>.*))?"),
    re.compile(r"/(?P<repo>[^/]+/[^/]+)/src/branch/(?P<ref>[^/]+)(?:/(?P<path>.*))?"),
)


def read_web_address(address: str) -> tuple[str, str, str] | None:
    """Repository, branch and path of a page that shows a file or folder; None for others.

    A branch with a slash cannot be told from a folder here: its first part is taken.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme not in ("https", "http"):
        return None
    for shape in (SHAPES[1], SHAPES[0], SHAPES[2]):
        found = shape.fullmatch(parts.path.rstrip("/"))
        if found:
            repo = f"{parts.scheme}://{parts.netloc}/{found['repo']}"
            return repo, unquote(found["ref"]), unquote(found["path"] or "")
    return None
