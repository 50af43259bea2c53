"""Which headers and cookies pass the gateway, and which only the gateway may set. No I/O here."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

from multidict import CIMultiDict, CIMultiDictProxy

from launcher.gateway import guest
from launcher.people.identity import NAMES

HOP_BY_HOP = {
    "connection",
    "expect",  # answered by the gateway itself
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
LET_INTO = "X-Launcher-Let-Into"
"""Tells the app which session the browser was let into, where no student's cookie comes."""
OURS = {
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-launcher-gateway",
    "x-launcher-let-into",
    "x-real-ip",
}
"""Headers that say where a request came from, and who: only the gateway sets any of them."""
ABOUT_ALL = {
    "alt-svc",
    "clear-site-data",
    "cross-origin-opener-policy",
    "nel",
    "origin-agent-cluster",
    "report-to",
    "service-worker-allowed",
    "strict-transport-security",
}
"""Headers by which one session's server would decide for every page of this address."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Headers = CIMultiDict[str] | CIMultiDictProxy[str]


def passed_on(headers: Headers, *, also_dropped: Iterable[str] = ()) -> CIMultiDict[str]:
    """The headers less those that belong to one connection only."""
    dropped = HOP_BY_HOP | named_by_connection(headers) | set(also_dropped)
    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in dropped)


def named_by_connection(headers: Headers) -> set[str]:
    """Headers that the Connection header declares to be for this hop only."""
    lines = headers.getall("Connection", [])
    return {part.strip().lower() for line in lines for part in line.split(",") if part.strip()}


def forwarded(headers: Headers, *, peer: str, scheme: str, trusted: bool) -> dict[str, str]:
    """What the next server learns of the browser; a trusted peer's own words count."""
    before = ", ".join(headers.getall("X-Forwarded-For", [])) if trusted else ""
    proto = last_of(headers, "X-Forwarded-Proto") if trusted else ""
    return {
        "X-Forwarded-For": f"{before}, {peer}".strip(", "),
        "X-Forwarded-Proto": proto if proto in ("http", "https") else scheme,
        "X-Forwarded-Host": public_host(headers, trusted=trusted),
    }


def browser_address(forwarded_for: str, trusted: Sequence[str]) -> Address | None:
    """The address behind the proxies that are trusted.

    The gateway writes the list's last part itself, so nobody can choose what is found.
    """
    found = None
    for part in reversed(forwarded_for.split(",")):
        try:
            address = ipaddress.ip_address(part.strip())
        except ValueError:
            break
        found = address
        if not any(address in ipaddress.ip_network(one, strict=False) for one in trusted):
            break
    return found


def public_host(headers: Headers, *, trusted: bool) -> str:
    """The host that the browser's address bar shows."""
    named = last_of(headers, "X-Forwarded-Host") if trusted else ""
    return named or headers.get("Host", "")


def last_of(headers: Headers, name: str) -> str:
    """The value that the nearest proxy wrote, where several proxies appended theirs."""
    return ",".join(headers.getall(name, [])).rpartition(",")[2].strip()


def same_origin(origin: str, host: str) -> bool:
    """True when the Origin header names this host."""
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def given_token(headers: Mapping[str, str], query: str) -> bytes:
    """The token that an API client sent, in the header or in the (still encoded) query."""
    kind, _, value = headers.get("Authorization", "").partition(" ")
    if kind.lower() not in ("token", "bearer") or not value:
        value = guest.given(query, "token")
    return value.strip().encode("utf-8", "surrogateescape")


def without_ours(cookies: list[str]) -> str:
    """The cookies that say who somebody is, which no session may see."""
    every = [part.strip() for line in cookies for part in line.split(";")]
    return "; ".join(part for part in every if part and not names_ours(part))


def names_ours(cookie: str) -> bool:
    """True for `launcher_student=...` in any spelling that a browser takes for it.

    Browsers trim spaces around the name, and send a nameless `=a=b` back as `a=b`.
    """
    name = cookie.strip(" \t=").partition("=")[0]
    return name.strip() in (*NAMES, guest.COOKIE)
