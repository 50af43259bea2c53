"""Which other sites' pages may use the launcher's API and sessions from a browser. No I/O here.

Never with cookies: such a page brings a session's token, or asks for what everybody may know.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

SHARED = re.compile(r"/(?:s/[0-9a-f]{8,64}|build|api)/|/(?:versions|health)(?:$|\?)")
"""Paths that pages of an allowed origin may use: sessions, and what programs ask of the app."""
FOR_ALL = re.compile(r"/versions(?:$|\?)")
"""Clients look here whether this is a BinderHub at all, before they ask for anything."""
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
HEADER_NAMES = re.compile(r"[\w-]+(?:\s*,\s*[\w-]+)*")
MAX_AGE = "600"
"""Seconds that a browser remembers an answer to a preflight."""


def allowed_origin(path: str, origin: str, origins: Collection[str]) -> str:
    """What Access-Control-Allow-Origin says for a page of `origin`; empty to say nothing."""
    if not origin or not SHARED.match(path):
        return ""
    if "*" in origins or FOR_ALL.match(path):
        return "*"
    return origin if origin.lower() in origins else ""


def is_preflight(method: str, headers: Mapping[str, str]) -> bool:
    """True when a browser asks whether it may send the request that a page wants."""
    return method == "OPTIONS" and "Access-Control-Request-Method" in headers


def preflight_headers(asked: str) -> dict[str, str]:
    """The answer to a preflight that asks to send the headers `asked`."""
    allowed = asked if HEADER_NAMES.fullmatch(asked.strip()) else "Authorization, Content-Type"
    return {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": allowed,
        "Access-Control-Max-Age": MAX_AGE,
    }
