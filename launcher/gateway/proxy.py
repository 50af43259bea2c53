"""Passes requests and WebSockets on, byte for byte, to sessions and to the app."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import ipaddress
import logging
import re
import secrets
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from launcher.gateway import pages
from launcher.gateway.routes import Route, Routes
from launcher.identity import COOKIE, read_student

log = logging.getLogger(__name__)

APP = "/"
HOP_BY_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
OURS = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-launcher-gateway"}
"""Headers that only the gateway may set."""
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
SESSION_PATH = re.compile(r"/s/([0-9a-f]{8,64})(?:/|$|\?)")
# Sockets are told apart from a server that went away by this code.
GOING_AWAY = 1001


@dataclass
class Proxy:
    """The public side; `routes` is its only state that lasts."""

    routes: Routes
    secret: bytes
    """Checks the students' cookies."""
    app_secret: str
    trusted: tuple[str, ...] = ()
    """Networks whose X-Forwarded-* headers count."""
    sockets: dict[str, set[web.WebSocketResponse]] = field(default_factory=dict)
    _client: aiohttp.ClientSession | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request of the public port."""
        request_id = request.headers.get("X-Request-Id", "")
        if not re.fullmatch(r"[\w-]{6,64}", request_id):
            request_id = secrets.token_hex(8)
        found = SESSION_PATH.match(request.raw_path)
        name = found[1] if found else APP
        route = self.routes.known.get(name)
        if found and route is None:  # the app knows how to bring a stopped session back
            name, route = APP, self.routes.known.get(APP)
        if route is None:
            return pages.starting(request_id)
        headers = self.headers_for(request, name, request_id)
        if name != APP:
            refused = self.refuse(request, route)
            if refused:
                return pages.refused(request, refused, request_id)
            headers["Authorization"] = f"token {route.token}"
            route.last_activity = time.time()
        return await self.forward(request, name, route, headers, request_id)

    async def forward(
        self,
        request: web.Request,
        name: str,
        route: Route,
        headers: CIMultiDict[str],
        request_id: str,
    ) -> web.StreamResponse:
        """Pass the request on; a session that does not answer becomes the app's to explain."""
        try:
            if is_websocket(request) and name != APP:
                return await self.websocket(request, name, route, headers)
            return await self.http(request, name, route, headers)
        except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError) as error:
            log.warning("no answer", extra={"route": name, "error": str(error)})
            app = self.routes.known.get(APP)
            if name == APP or app is None:
                return pages.starting(request_id)
            if request.method not in SAFE_METHODS or is_websocket(request):
                return pages.gone(request_id)
            return await self.forward(
                request, APP, app, self.headers_for(request, APP, request_id), request_id
            )

    def refuse(self, request: web.Request, route: Route) -> str | None:
        """Why this request may not reach the session, or None.

        The owner comes with the signed cookie; programs come with Jupyter's token.
        """
        token = given_token(request.headers, request.query_string)
        if token and hmac.compare_digest(token.encode(), route.token.encode()):
            return None
        if read_student(self.secret, request.cookies.get(COOKIE)) != route.owner:
            return "This session belongs to somebody else."
        origin = request.headers.get("Origin")
        changing = request.method not in SAFE_METHODS or is_websocket(request)
        if changing and origin and urlsplit(origin).netloc != request.host:
            return "This request comes from another site."
        return None

    def headers_for(self, request: web.Request, name: str, request_id: str) -> CIMultiDict[str]:
        """The request's own headers, less what belongs to this connection or to the launcher."""
        dropped = HOP_BY_HOP | OURS | named_by_connection(request.headers)
        headers = CIMultiDict(
            (key, value) for key, value in request.headers.items() if key.lower() not in dropped
        )
        peer = request.remote or ""
        trusted = self.is_trusted(peer)
        before = request.headers.get("X-Forwarded-For", "") if trusted else ""
        headers["X-Forwarded-For"] = f"{before}, {peer}".strip(", ")
        proto = request.headers.get("X-Forwarded-Proto", "") if trusted else ""
        headers["X-Forwarded-Proto"] = proto if proto in ("http", "https") else request.scheme
        headers["X-Forwarded-Host"] = request.host
        headers["X-Request-Id"] = request_id
        if name == APP:
            headers["X-Launcher-Gateway"] = self.app_secret
        else:
            cookies = without_ours(request.headers.getall("Cookie", []))
            headers.popall("Cookie", None)
            if cookies:
                headers["Cookie"] = cookies
        return headers

    def is_trusted(self, peer: str) -> bool:
        with contextlib.suppress(ValueError):
            address = ipaddress.ip_address(peer)
            return any(address in ipaddress.ip_network(net) for net in self.trusted)
        return False

    async def http(
        self, request: web.Request, name: str, route: Route, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        """One request and its answer, both streamed, nothing unpacked or followed."""
        body = request.content if request.body_exists else None
        async with self.client.request(
            request.method,
            URL(route.target + request.raw_path, encoded=True),
            headers=headers,
            data=body,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        ) as upstream:
            response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
            dropped = HOP_BY_HOP | named_by_connection(upstream.headers)
            for key, value in upstream.headers.items():
                ours = key.lower() == "set-cookie" and value.startswith(f"{COOKIE}=")
                if key.lower() not in dropped and not (ours and name != APP):
                    response.headers.add(key, value)
            has_body = request.method != "HEAD" and upstream.status not in (204, 304)
            if has_body and "Content-Length" not in upstream.headers:
                response.enable_chunked_encoding()
            await response.prepare(request)
            if has_body:
                async for chunk in upstream.content.iter_any():
                    await response.write(chunk)
                    route.last_activity = time.time()
            await response.write_eof()
            return response

    async def websocket(
        self, request: web.Request, name: str, route: Route, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        """A WebSocket, frame by frame in both directions, until one side ends it."""
        wanted = request.headers.get("Sec-WebSocket-Protocol", "")
        protocols = [part.strip() for part in wanted.split(",") if part.strip()]
        for key in [key for key in headers if key.lower().startswith("sec-websocket-")]:
            headers.popall(key, None)
        async with self.client.ws_connect(
            URL(route.target + request.raw_path, encoded=True),
            headers=headers,
            protocols=protocols,
            autoping=False,
            autoclose=False,
            max_msg_size=0,
        ) as upstream:
            chosen = [upstream.protocol] if upstream.protocol else []
            here = web.WebSocketResponse(
                protocols=chosen, autoping=False, autoclose=False, max_msg_size=0
            )
            await here.prepare(request)
            self.sockets.setdefault(name, set()).add(here)
            try:
                await first_of(pump(here, upstream, route), pump(upstream, here, route))
            finally:
                self.sockets.get(name, set()).discard(here)
                code = upstream.close_code or here.close_code or GOING_AWAY
                code = code if 1000 <= code < 5000 and code not in (1005, 1006) else 1000
                for side in (here, upstream):
                    with contextlib.suppress(Exception):  # the other side may be gone
                        await asyncio.wait_for(side.close(code=code), 2)
            return here

    async def close_sockets(self, name: str) -> None:
        """Close a session's WebSockets, so that its pages notice at once."""
        for socket in list(self.sockets.pop(name, ())):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(socket.close(code=GOING_AWAY), 2)

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


Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def pump(source: Side, sink: Side, route: Route) -> None:
    """Pass frames on until the source ends."""
    async for message in source:
        route.last_activity = time.time()
        if message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.PING:
            await sink.ping(message.data)
        elif message.type is aiohttp.WSMsgType.PONG:
            await sink.pong(message.data)
        else:
            return


async def first_of(*pumps: Coroutine[Any, Any, None]) -> None:
    """Return when the first direction has ended; the other one is cancelled."""
    tasks = [asyncio.ensure_future(one) for one in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, ConnectionError, aiohttp.ClientError):
            await task


def is_websocket(request: web.Request) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def given_token(headers: Mapping[str, str], query: str) -> str:
    """The token that an API client sent, in the header or in the query."""
    kind, _, value = headers.get("Authorization", "").partition(" ")
    if kind.lower() in ("token", "bearer") and value:
        return value.strip()
    return (parse_qs(query).get("token") or [""])[0]


def named_by_connection(headers: Mapping[str, str]) -> set[str]:
    """Headers that the Connection header declares to be for this hop only."""
    return {part.strip().lower() for part in headers.get("Connection", "").split(",") if part}


def without_ours(cookies: list[str]) -> str:
    """The cookies without the student's identity, which no session may see."""
    every = [part.strip() for line in cookies for part in line.split(";")]
    return "; ".join(part for part in every if part and not part.startswith(f"{COOKIE}="))
