"""A person who opens a session's address with its token in it, as Binder's clients send people.

The page that opens asks for much more, without the token. So the browser gets a cookie for this
one session, and an address without the token, which then is in no history and no Referer.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping

from launcher.people.identity import derived

COOKIE = "launcher_guest"


def is_page(method: str, headers: Mapping[str, str]) -> bool:
    """True for a browser that opens a page, unlike a program or a page's script."""
    return method == "GET" and "text/html" in headers.get("Accept", "")


def without_token(path: str) -> str:
    """The path and query less `token=...`, the rest as it was sent."""
    where, _, query = path.partition("?")
    kept = [part for part in query.split("&") if part and not re.match("token=", part)]
    return f"{where}?{'&'.join(kept)}" if kept else where


def cookie_value(secret: bytes, token: str) -> str:
    """Proof that the browser had the session's token; it does not tell the token."""
    return derived(secret, f"guest {token}")


def is_guest(secret: bytes, token: str, cookie: str | None) -> bool:
    given = (cookie or "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(given, cookie_value(secret, token).encode())
