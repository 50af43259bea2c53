"""Who asks, and whether they may enter a session: by cookie, ticket's cookie or token."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
from dataclasses import dataclass

from aiohttp import web

from launcher.gateway import cors, guest, headers, pages
from launcher.gateway.routes import Route
from launcher.gateway.sessions_host import SessionsHost
from launcher.people.identity import code_of, find_student

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
NOT_YOURS = "This session belongs to somebody else."


@dataclass(frozen=True)
class Admission:
    """What the gateway knows of who may enter, and of whom it believes."""

    secret: bytes
    """Checks the students' cookies."""
    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Networks whose X-Forwarded-* headers count."""
    sessions_host: SessionsHost | None = None
    """Where sessions have a host name of their own."""
    origins: tuple[str, ...] = ()
    """Other sites whose pages may use the API and sessions, or `*`."""

    def host_of(self, request: web.Request) -> str:
        return headers.public_host(request.headers, trusted=self.is_trusted(request))

    def is_at_sessions_host(self, request: web.Request) -> bool:
        hosts = self.sessions_host
        return hosts is not None and hosts.is_for_sessions(self.host_of(request))

    def refuse(self, request: web.Request, name: str, route: Route) -> str | None:
        """Why this request may not reach the session, or None.

        The owner comes with the signed cookie, whoever had a token or ticket with a guest's;
        programs come with Jupyter's token. A page of another site may only do so where that is
        allowed.
        """
        origin = request.headers.get("Origin")
        foreign = bool(origin) and not headers.same_origin(origin or "", self.host_of(request))
        if self.has_token(request, route):
            # Browsers hide answers from pages that are not allowed, but open WebSockets for any
            if foreign and is_websocket(request) and not self.allowed_origin(request):
                return "Pages of that site may not use sessions here (setting web.origins)."
            return None
        if not self.is_guest(request, name) and not self.is_owner(request, route):
            return NOT_YOURS
        changing = request.method not in SAFE_METHODS or is_websocket(request)
        if changing and foreign:
            return "This request comes from another site."
        return None

    def is_owner(self, request: web.Request, route: Route) -> bool:
        """True for the student's own browser; at the sessions' host no cookie says who that is."""
        if self.is_at_sessions_host(request):
            return False
        student = self.student_of(request)
        return student is not None and student == route.owner

    def student_of(self, request: web.Request) -> str | None:
        """Whom the browser's cookie names."""
        https = self.sessions_host is not None and self.sessions_host.home.startswith("https:")
        return find_student(self.secret, request.cookies, only_secure=https)

    def called(self, request: web.Request) -> str:
        """What the class board calls the student; empty for nobody."""
        student = self.student_of(request)
        return code_of(self.secret, student) if student else ""

    def is_guest(self, request: web.Request, name: str) -> bool:
        """True for a browser that was let into the session before."""
        return guest.is_guest(self.secret, name, request.headers.getall("Cookie", []))

    def has_token(self, request: web.Request, route: Route, *, in_query: bool = False) -> bool:
        """True for a request that brings Jupyter's token of this very session."""
        sent = {} if in_query else request.headers
        token = headers.given_token(sent, request.rel_url.raw_query_string)
        return bool(token) and hmac.compare_digest(token, route.token.encode())

    def let_in(self, request: web.Request, name: str, where: str) -> web.Response:
        """Give the browser a cookie for this one session, and its address without the token."""
        base = f"/s/{name}/"
        if not where.startswith(base):  # there browsers would not send it
            where = base + where.removeprefix(f"/s/{name}")
        response = pages.lead_to(where)
        response.set_cookie(
            guest.COOKIE,
            guest.cookie_value(self.secret, name),
            path=base,
            httponly=True,
            samesite="Lax",
            secure=self.forwarded(request)["X-Forwarded-Proto"] == "https",
        )
        return response

    def allowed_origin(self, request: web.Request) -> str:
        origin = request.headers.get("Origin", "")
        return cors.allowed_origin(path_of(request), origin, self.origins)

    def forwarded(self, request: web.Request) -> dict[str, str]:
        return headers.forwarded(
            request.headers,
            peer=request.remote or "",
            scheme=request.scheme,
            trusted=self.is_trusted(request),
        )

    def visitor(self, request: web.Request) -> str:
        """The browser's address, as far as trusted proxies tell it."""
        if not self.is_trusted(request):
            return request.remote or ""
        told = self.forwarded(request)["X-Forwarded-For"]
        return str(headers.browser_address(told, [*map(str, self.trusted)]) or request.remote)

    def is_trusted(self, request: web.Request) -> bool:
        if not self.trusted:
            return False
        with contextlib.suppress(ValueError):
            peer = ipaddress.ip_address(request.remote or "")
            return any(peer in network for network in self.trusted)
        return False


def path_of(request: web.Request) -> str:
    """Path and query as they were sent; always begins with a slash.

    What follows the target's port must never be able to name another host.
    """
    raw = request.raw_path
    return raw if raw.startswith("/") else "/" + raw.partition("://")[2].partition("/")[2]


def is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"
