"""A person who opens a session's address with its token in it, as Binder's clients send people.

The page that opens asks for much more, without the token. So the browser gets a cookie for this
one session, and an address without the token, which then is in no history and no Referer. Where
sessions have a host name of their own, their owners come there the same way, with a ticket.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, unquote_plus

from launcher.people.identity import derived

COOKIE = "launcher_guest"


def is_page(method: str, headers: Mapping[str, str]) -> bool:
    """True for a browser that opens a page, unlike a program or a page's script."""
    return method == "GET" and "text/html" in headers.get("Accept", "")


def given(query: str, name: str) -> str:
    """The value of a parameter in a (still encoded) query, or empty."""
    return (parse_qs(query).get(name) or [""])[0]


def without(path: str, name: str) -> str:
    """The path and query less `name=...`, the rest as it was sent."""
    where, _, query = path.partition("?")
    parts = [part for part in query.split("&") if part]
    kept = [part for part in parts if unquote_plus(part.partition("=")[0]) != name]
    return f"{where}?{'&'.join(kept)}" if kept else where


def cookie_value(secret: bytes, session_id: str) -> str:
    """Proof that the browser was let into the session."""
    return derived(secret, f"guest {session_id}")


def is_guest(secret: bytes, session_id: str, cookies: Iterable[str]) -> bool:
    """True where one of the Cookie headers' values is the proof.

    Any of them: a page may set one of this name for a longer path, which browsers send first.
    """
    proof = cookie_value(secret, session_id).encode()
    return any(
        hmac.compare_digest(value.strip().encode("utf-8", "surrogateescape"), proof)
        for line in cookies
        for name, _, value in (part.partition("=") for part in line.split(";"))
        if name.strip() == COOKIE
    )
