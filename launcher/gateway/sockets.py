"""WebSockets: frames passed on in both directions, and closed so that both sides notice.

Each session has places for so many.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from launcher.gateway import pages
from launcher.gateway.admission import path_of
from launcher.gateway.door import Door
from launcher.gateway.routes import Route, Routes

LARGEST_MESSAGE = 64 << 20
"""Bytes of one WebSocket message, unpacked; it is held whole, so nobody may make it endless."""
SMALL_MESSAGE = 4 << 20
"""The same on a session's further WebSockets: all of them together must fit into memory."""
SOCKETS = 256
"""WebSockets of one session at once; each kernel and terminal has one per tab."""
LARGE_SOCKETS = 16
"""Those of them that take large messages: the ones that were opened first."""
GOING_AWAY = 1001
"""Tells a page that its server went away, not that the talk was over."""
PING = 30.0
"""Seconds between two questions whether a browser is there: a closed laptop ends no connection."""
UNANSWERED = 4
"""Questions after which it is not; an answer on a slow line waits behind what is sent before it."""

Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


@dataclass
class Sockets:
    """The WebSockets of all sessions."""

    routes: Routes
    door: Door
    joined: dict[str, set[web.WebSocketResponse]] = field(default_factory=dict)
    """The browsers' ends, by session."""
    places: Counter[str] = field(default_factory=Counter)
    """How many each session has, those that are being opened too."""

    async def open(
        self,
        client: aiohttp.ClientSession,
        request: web.Request,
        *,
        name: str,
        route: Route,
        sent: CIMultiDict[str],
        request_id: str,
    ) -> web.StreamResponse:
        """A WebSocket, where the session has a place for one more; those being opened count."""
        if self.places[name] >= SOCKETS:
            return pages.too_many_sockets(request_id)
        self.places[name] += 1
        largest = LARGEST_MESSAGE if self.places[name] <= LARGE_SOCKETS else SMALL_MESSAGE
        try:
            return await self._join(
                client, request, name=name, route=route, sent=sent, largest=largest
            )
        finally:
            self.places[name] -= 1
            if not self.places[name]:
                del self.places[name]

    async def _join(
        self,
        client: aiohttp.ClientSession,
        request: web.Request,
        *,
        name: str,
        route: Route,
        sent: CIMultiDict[str],
        largest: int,
    ) -> web.StreamResponse:
        """A WebSocket, frame by frame in both directions, until one side ends it."""
        wanted = request.headers.get("Sec-WebSocket-Protocol", "")
        for key in [key for key in sent if key.lower().startswith("sec-websocket-")]:
            sent.popall(key, None)
        try:
            upstream = await client.ws_connect(
                URL(route.target + path_of(request), encoded=True),
                headers=sent,
                protocols=[part.strip() for part in wanted.split(",") if part.strip()],
                autoping=False,
                autoclose=False,
                max_msg_size=largest,
            )
        except aiohttp.WSServerHandshakeError as error:  # the session says no: a kernel is gone
            return web.Response(status=error.status if error.status >= 400 else 502)
        async with upstream:
            here = web.WebSocketResponse(
                protocols=[upstream.protocol] if upstream.protocol else (),
                autoping=False,
                autoclose=False,
                max_msg_size=largest,
            )
            await here.prepare(request)
            if name not in self.routes.known:  # removed while this was being opened
                await close_all((here, upstream))
                return here
            self.joined.setdefault(name, set()).add(here)
            try:
                used = functools.partial(self.routes.used, name)
                await join(here, upstream, used, functools.partial(self.door.heard, request))
            finally:
                self.joined.get(name, set()).discard(here)
            return here

    async def close(self, *names: str) -> None:
        """Close the sessions' WebSockets, so that their pages notice at once."""
        await close_all([one for name in names for one in self.joined.pop(name, ())])


async def join(
    here: web.WebSocketResponse,
    upstream: Side,
    used: Callable[[], None],
    heard: Callable[[], float],
) -> None:
    """Pass frames on until one side ends, then end the other one the same way.

    `heard` is when the browser's last bytes came.
    """
    both = pump(here, upstream, used), pump(upstream, here, used)
    try:
        await first_of(*both, until_silent(here, heard))
    finally:
        code = upstream.close_code or here.close_code or GOING_AWAY
        # 1005 and 1006 say that no code came; they may not be sent
        code = code if 1000 <= code < 5000 and code not in (1005, 1006) else 1000
        await close_all((here, upstream), code)


async def close_all(sides: Iterable[Side], code: int = GOING_AWAY) -> None:
    """Close all at once; one that does not answer (a sleeping laptop) delays nobody."""
    await asyncio.gather(*(close(side, code) for side in sides))


async def close(side: Side, code: int) -> None:
    with contextlib.suppress(Exception):  # the other end may be gone
        await asyncio.wait_for(side.close(code=code), 2)


async def pump(source: Side, sink: Side, used: Callable[[], None]) -> None:
    """Pass frames on until the source ends."""
    async for message in source:
        used()
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


async def until_silent(side: Side, heard: Callable[[], float]) -> None:
    """Return when nothing at all comes back, though it was asked again and again.

    Every byte counts: an answer cannot overtake a large message, and busy browsers answer late.
    """
    await asyncio.sleep(PING)
    unanswered = 0
    while unanswered < UNANSWERED:
        before = heard()
        with contextlib.suppress(TimeoutError):  # it takes nothing; that alone says little
            await asyncio.wait_for(side.ping(), PING)
        await asyncio.sleep(PING)
        unanswered = unanswered + 1 if heard() == before else 0


async def first_of(*parts: Coroutine[Any, Any, None]) -> None:
    """Return when the first has ended; the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, ConnectionError, aiohttp.ClientError):
            await task
