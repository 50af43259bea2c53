"""Passes requests and WebSockets on, byte for byte, to sessions and to the app."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field

import aiohttp
from aiohttp import HttpVersion11, web
from multidict import CIMultiDict
from yarl import URL

from launcher import logs
from launcher.gateway import banner, cors, guest, headers, pages, tickets
from launcher.gateway.admission import NOT_YOURS, SAFE_METHODS, Admission, is_websocket, path_of
from launcher.gateway.beginnings import Beginnings
from launcher.gateway.bodies import FORM_TIMEOUT, READER_STALL, STALL, Body, TooLarge, TooSlow
from launcher.gateway.door import Door
from launcher.gateway.routes import APP, HEALTH, Route, Routes
from launcher.gateway.sessions_host import NOTICES, NOTICES_SCRIPT, SessionsHost, is_opened
from launcher.gateway.sockets import Sockets
from launcher.gateway.tickets import Tickets

log = logging.getLogger(__name__)
access = logging.getLogger("launcher.gateway.access")

SESSION_PATH = re.compile(r"/s/([0-9a-f]{8,64})(?:/|$|\?)")
PAUSE = 0.25
"""Seconds before a session that could not be reached is asked once more."""
NOT_REACHED = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerDisconnectedError,
)
HOST = re.compile(r"(([\w-]{1,63}\.)*[\w-]{0,63}|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)
"""What a Host header may be; empty where there is none."""
CLIENT_GONE = 499
"""In the access log only: the browser went away before the answer."""


@dataclass
class Proxy:
    """The public side; `routes` is its only state that lasts."""

    routes: Routes
    app_secret: str
    admission: Admission
    largest: int = 0
    """Bytes of a request's body for the app; 0 is any. Sessions take what they like."""
    stall: float = STALL
    """Seconds that a body may stand still."""
    hsts: int = 0
    """Seconds that browsers remember to come by https only; 0 says nothing."""
    door: Door = field(default_factory=lambda: Door(most=1000))
    tickets: Tickets = field(default_factory=Tickets)
    beginnings: Beginnings = field(default_factory=Beginnings)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests by receiver (`app`, `session`) and status (`2xx`)."""
    sockets: Sockets = field(init=False)
    _client: aiohttp.ClientSession | None = None

    def __post_init__(self) -> None:
        self.sockets = Sockets(self.routes, self.door)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of the public port, and log it: never its query, which has tokens."""
        believed = self.admission.is_trusted(request)
        given = request.headers.get("X-Request-Id", "") if believed else ""
        request_id = given if re.fullmatch(r"[A-Za-z0-9_-]{6,64}", given) else secrets.token_hex(8)
        found = SESSION_PATH.match(path_of(request))
        logs.request_id.set(request_id)
        logs.session_id.set(found[1] if found else "")
        began, status = time.monotonic(), CLIENT_GONE
        try:
            with self.door.busy(request):
                if path_of(request) != HEALTH:
                    await self.beginnings.turn()
                response = await self.answer(request, request_id)
            status = response.status
            return response
        except Exception as error:
            status = error.status if isinstance(error, web.HTTPException) else 500
            raise
        finally:
            self.counted["session" if found else "app", f"{status // 100}xx"] += 1
            path = path_of(request).partition("?")[0]
            told = {"method": request.method, "path": path, "status": status}
            took = round((time.monotonic() - began) * 1000, 1)
            peer = self.admission.visitor(request)
            access.info("request", extra={**told, "ms": took, "peer": peer})

    async def answer(self, request: web.Request, request_id: str) -> web.StreamResponse:
        """The session's or the app's answer, or one of the gateway's own pages."""
        named = request.headers.getall("Host", [])
        if len(named) > 1 or not all(HOST.fullmatch(one) for one in named):
            return pages.bad_request("The request names no host, or more than one.", request_id)
        shared = self.admission.allowed_origin(request)
        if shared and cors.is_preflight(request.method, request.headers):
            asked = request.headers.get("Access-Control-Request-Headers", "")
            return web.Response(status=204, headers=cors.preflight_headers(asked))
        found = SESSION_PATH.match(path_of(request))
        name = found[1] if found else APP
        if name == APP and self.largest and (request.content_length or 0) > self.largest:
            return pages.gave_up(TooLarge(), self.largest, request_id)
        route = self.routes.known.get(name)
        if path_of(request) == HEALTH:  # threads of its own, for when all others are busy
            route = self.routes.known.get(HEALTH, route)
        hosts = self.admission.sessions_host
        if hosts and self.admission.is_at_sessions_host(request):
            return await self.answer_there(hosts, request, name, route, request_id)
        if hosts and found and route:
            return self.lead_there(hosts, request, name, route, request_id)
        if found and route is None:  # the app knows how to bring a stopped session back
            if request.method not in SAFE_METHODS or is_websocket(request):
                return pages.gone(request_id)
            name, route = APP, self.routes.known.get(APP)
        if route is None:
            return pages.starting(request_id)
        if name != APP:
            refused = self.admission.refuse(request, name, route)
            if refused:
                student = self.admission.called(request)
                return pages.refused(request, refused, request_id, student=student)
            return await self.enter(request, name, route, request_id)
        return await self.forward(request, name, route, request_id)

    async def enter(
        self, request: web.Request, name: str, route: Route, request_id: str
    ) -> web.StreamResponse:
        """The session's answer to somebody who may have it."""
        self.routes.used(name)
        if self.admission.has_token(request, route, in_query=True) and guest.is_page(
            request.method, request.headers
        ):
            return self.admission.let_in(request, name, guest.without(path_of(request), "token"))
        return await self.forward(request, name, route, request_id)

    async def answer_there(
        self,
        hosts: SessionsHost,
        request: web.Request,
        name: str,
        route: Route | None,
        request_id: str,
    ) -> web.StreamResponse:
        """At the sessions' host: sessions, for who was let in by a ticket or a token.

        Whoever was not is sent to the launcher, which knows its students and gives tickets.
        """
        path, opened = path_of(request), is_opened(request.method, request.headers)
        if name != APP and not hosts.is_of(self.admission.host_of(request), name):
            if opened:
                return pages.lead_to(hosts.home + path)
            return pages.elsewhere(hosts.address(name), request_id)
        if name == APP or NOTICES.fullmatch(path):
            return await self.notices_there(hosts, request, name, request_id)
        number = guest.given(request.rel_url.raw_query_string, tickets.NAME)
        if number and opened:
            where = guest.without(path, tickets.NAME)
            if route and self.tickets.take(number, name, route.owner):
                return self.admission.let_in(request, name, where)
            return pages.lead_to(where)  # used or old: perhaps the cookie is there
        refused = self.admission.refuse(request, name, route) if route else None
        if route is None or refused:
            if opened:
                return pages.lead_to(hosts.home + path)
            if refused:
                return pages.refused(request, refused, request_id, home=hosts.home)
            return pages.gone(request_id)
        return await self.enter(request, name, route, request_id)

    async def notices_there(
        self, hosts: SessionsHost, request: web.Request, name: str, request_id: str
    ) -> web.StreamResponse:
        """What of the launcher a session's own pages use: the script, and what it asks for."""
        let_in = name != APP and self.admission.is_guest(request, name)
        app = self.routes.known.get(APP)
        if request.method != "GET" or not (let_in or path_of(request) == NOTICES_SCRIPT):
            return pages.not_here(request, hosts.home, request_id)
        if app is None:
            return pages.starting(request_id)
        return await self.forward(request, APP, app, request_id, let_into=name if let_in else "")

    def lead_there(
        self, hosts: SessionsHost, request: web.Request, name: str, route: Route, request_id: str
    ) -> web.Response:
        """From the launcher's host to the sessions': its owner with a ticket, a token as it is."""
        if not is_opened(request.method, request.headers):
            return pages.elsewhere(hosts.address(name), request_id)
        where = hosts.address(name) + path_of(request)
        if self.admission.has_token(request, route):
            return pages.lead_to(where)
        if not self.admission.is_owner(request, route):
            student = self.admission.called(request)
            return pages.refused(request, NOT_YOURS, request_id, student=student)
        ticket = f"{tickets.NAME}={self.tickets.give(name, route.owner)}"
        return pages.lead_to(f"{where}{'&' if '?' in where else '?'}{ticket}")

    async def forward(
        self,
        request: web.Request,
        name: str,
        route: Route,
        request_id: str,
        *,
        let_into: str = "",
    ) -> web.StreamResponse:
        """Pass the request on; a session that does not answer becomes the app's to explain.

        `let_into` tells the app which session's guest asks.
        """
        sent = self.headers_for(request, name, route, request_id)
        if let_into:
            sent.popall("Cookie", None)
            sent[headers.LET_INTO] = let_into
        body = self.body_for(request, name)
        try:
            if is_websocket(request) and name != APP:
                return await self.sockets.open(
                    self.client, request, name=name, route=route, sent=sent, request_id=request_id
                )
            if name == APP or request.body_exists or request.method not in SAFE_METHODS:
                return await self.http(request, name, route, sent, body)
            try:
                return await self.http(request, name, route, sent, body)
            except NOT_REACHED:
                await asyncio.sleep(PAUSE)
                return await self.http(request, name, route, sent, body)
        except (aiohttp.ClientError, TimeoutError, TooLarge, TooSlow) as error:
            if body.trouble:
                return pages.gave_up(body.trouble, self.largest, request_id)
            log.warning("no answer", extra={"error": repr(error)})
            app = self.routes.known.get(APP)
            if name == APP or app is None:
                return pages.starting(request_id)
            why = pages.silent if name in self.routes.known else pages.gone
            if request.method not in SAFE_METHODS or is_websocket(request):
                return why(request_id)
            hosts = self.admission.sessions_host
            if hosts and is_opened(request.method, request.headers):
                return pages.lead_to(f"{hosts.home}/sessions/{name}/gone")
            if hosts:
                return why(request_id)
            return await self.forward(request, APP, app, request_id)

    def body_for(self, request: web.Request, name: str) -> Body:
        """The request's body, with the limits of its receiver."""
        if name == APP:
            return Body(request.content, most=self.largest, stall=self.stall, whole=FORM_TIMEOUT)
        return Body(request.content, stall=self.stall)

    async def share(self, request: web.Request, response: web.StreamResponse) -> None:
        """Tell the browser which site's page may read the answer, and to come by https again.

        Called before any answer is sent.
        """
        if self.hsts and request.scheme == "https":
            response.headers["Strict-Transport-Security"] = f"max-age={self.hsts}"
        allowed = self.admission.allowed_origin(request)
        if allowed:
            response.headers["Access-Control-Allow-Origin"] = allowed
            response.headers.pop("Access-Control-Allow-Credentials", None)
            response.headers.add("Vary", "Origin")

    def headers_for(
        self, request: web.Request, name: str, route: Route, request_id: str
    ) -> CIMultiDict[str]:
        """The request's own headers, less what belongs to this connection or to the launcher."""
        sent = headers.passed_on(request.headers, also_dropped=headers.OURS)
        sent.update(self.admission.forwarded(request))
        sent["X-Request-Id"] = request_id
        if name == APP:
            sent["X-Launcher-Gateway"] = self.app_secret
            return sent
        sent["Authorization"] = f"token {route.token}"
        cookies = headers.without_ours(sent.popall("Cookie", []))
        if cookies:
            sent["Cookie"] = cookies
        return sent

    async def http(
        self,
        request: web.Request,
        name: str,
        route: Route,
        sent: CIMultiDict[str],
        body: Body,
    ) -> web.StreamResponse:
        """One request and its answer, both streamed, nothing unpacked or followed."""
        page = name != APP and banner.is_page(request.method, path_of(request), request.headers)
        if page:
            sent["Accept-Encoding"] = "identity"
        async with self.client.request(
            request.method,
            URL(route.target + path_of(request), encoded=True),
            headers=sent,
            data=body if request.body_exists else None,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        ) as upstream:
            kept = headers_of(upstream, name)
            if page and banner.can_carry(upstream.status, upstream.headers):
                return await self._with_script(request, name, upstream, kept)
            return await self._streamed(request, name, upstream, kept)

    async def _with_script(
        self,
        request: web.Request,
        name: str,
        upstream: aiohttp.ClientResponse,
        kept: CIMultiDict[str],
    ) -> web.StreamResponse:
        """A page of an app, which is read whole, with our script in it."""
        hosts = self.admission.sessions_host
        whole = banner.with_script(await upstream.read(), hosts.home if hosts else "")
        self.routes.used(name)
        del kept["Content-Length"]
        response = web.Response(
            status=upstream.status, reason=upstream.reason, headers=kept, body=whole
        )
        await response.prepare(request)
        await response.write_eof()
        return response

    async def _streamed(
        self,
        request: web.Request,
        name: str,
        upstream: aiohttp.ClientResponse,
        kept: CIMultiDict[str],
    ) -> web.StreamResponse:
        """The answer as it comes; one that breaks off is closed as a broken one."""
        response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=kept)
        has_body = request.method != "HEAD" and upstream.status not in (204, 304)
        unsized = has_body and "Content-Length" not in upstream.headers
        if unsized and request.version >= HttpVersion11:
            response.enable_chunked_encoding()
        try:
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                async with asyncio.timeout(READER_STALL):
                    await response.write(chunk)
                self.routes.used(name)
            await response.write_eof()
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            log.info("answer cut off", extra={"error": repr(error)})
            if request.transport:  # half an answer must not look like a whole one
                request.transport.close()
        return response

    @property
    def client(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
                max_line_size=65536,
                max_field_size=65536,
            )
        return self._client

    async def close(self) -> None:
        if self._client:
            await self._client.close()


def headers_of(upstream: aiohttp.ClientResponse, name: str) -> CIMultiDict[str]:
    """The answer's headers; a session's less those that only the launcher may send."""
    if name == APP:
        return headers.passed_on(upstream.headers)
    kept = headers.passed_on(upstream.headers, also_dropped=headers.ABOUT_ALL)
    return CIMultiDict(
        (key, value)
        for key, value in kept.items()
        if key.lower() != "set-cookie" or not headers.names_ours(value.split(";")[0])
    )
