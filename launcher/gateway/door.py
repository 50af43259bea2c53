"""Who may be connected: so many at once, and nobody who only keeps a place without asking.

A connection that never sends a whole request header costs a slow attacker nothing. So each has a
few seconds for its first one, and where all places are taken the longest silent one gives its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web

HEADER_TIMEOUT = 20.0
"""Seconds from connecting to the end of the first request's header."""
KEEP_ALIVE = 75.0
"""Seconds between requests of one connection; browsers and nginx close theirs before."""
HANDSHAKE_TIMEOUT = 15.0
"""Seconds that a TLS handshake may take."""
AT_A_TIME = 32
"""Connections that are taken before those that must leave have left: each is an open file."""
QUEUE = 1024
"""Connections that wait in the kernel to be taken: a class clicks in the same second."""
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 36\r\n\r\nThis server has too many connections"
)


@dataclass
class Door:
    """Counts connections; a request that is answered is `busy`, all others wait for one."""

    most: int
    """Connections at once."""
    header_timeout: float = HEADER_TIMEOUT
    open: int = 0
    turned_away: int = 0
    """Connections that were closed for taking too long or for lack of room."""
    _new: dict[web.RequestHandler, float] = field(default_factory=dict)
    """Connections that never had a request, oldest first."""
    _idle: dict[web.RequestHandler, float] = field(default_factory=dict)
    """Connections between two requests, oldest first."""
    _heard: dict[web.RequestHandler, float] = field(default_factory=dict)
    """When each connection's last bytes came."""

    async def listen(
        self, runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> asyncio.Server:
        """Take connections for the runner's server, which must be set up.

        `::` is every address of this machine, those of IPv4 by a socket of their own: one socket
        for both would give visitors addresses such as ::ffff:10.0.0.1.
        """
        server = cast(web.Server, runner.server)
        everywhere = host == "::" and port  # port 0 would be another one for each
        listening = await asyncio.get_running_loop().create_server(
            lambda: Visitor(self, server),
            ["::", "0.0.0.0"] if everywhere else host,  # noqa: S104
            port,
            ssl=tls,
            backlog=AT_A_TIME,
            ssl_handshake_timeout=HANDSHAKE_TIMEOUT if tls else None,
        )
        for one in listening.sockets:  # asyncio has one number for both
            with socket.socket(fileno=os.dup(one.fileno())) as same:
                same.listen(QUEUE)
        return listening

    @contextlib.contextmanager
    def busy(self, request: web.BaseRequest) -> Iterator[None]:
        """While a request is answered, its connection is nobody's to close."""
        connection = request.protocol
        self._new.pop(connection, None)
        self._idle.pop(connection, None)
        try:
            yield
        finally:
            if connection.transport is not None:
                self._idle[connection] = asyncio.get_running_loop().time()

    def heard(self, request: web.BaseRequest) -> float:
        """The loop's time when bytes last came; now, where nobody reads those that come."""
        now = asyncio.get_running_loop().time()
        transport = cast(asyncio.ReadTransport | None, request.transport)
        if transport is not None and not transport.is_reading():
            return now
        return self._heard.get(request.protocol, 0.0)

    def hear(self, connection: web.RequestHandler) -> None:
        self._heard[connection] = asyncio.get_running_loop().time()

    def enter(self, connection: web.RequestHandler) -> bool:
        """True when there is room, after the longest silent connection has left if need be."""
        if self.open >= self.most and not self._turn_out():
            self.turned_away += 1
            return False
        self.open += 1
        self._new[connection] = asyncio.get_running_loop().time()
        return True

    def leave(self, connection: web.RequestHandler) -> None:
        self.open -= 1
        for kept in (self._new, self._idle, self._heard):
            kept.pop(connection, None)

    def _turn_out(self) -> bool:
        for silent in (self._new, self._idle):
            for connection in silent:
                del silent[connection]
                self.turned_away += 1
                connection.force_close()
                return True
        return False

    async def watch(self) -> None:
        """Close connections that do not ask in time, until cancelled."""
        while True:
            await asyncio.sleep(min(1.0, self.header_timeout / 4))
            late = asyncio.get_running_loop().time() - self.header_timeout
            for connection in [one for one, since in self._new.items() if since < late]:
                del self._new[connection]
                self.turned_away += 1
                connection.force_close()


class Visitor(asyncio.Protocol):
    """One connection: aiohttp's own handler of it, once the door has let it in."""

    def __init__(self, door: Door, server: web.Server) -> None:
        self.door = door
        self.server = server
        self.inner: web.RequestHandler | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        inner = self.server()
        if not self.door.enter(inner):
            cast(asyncio.Transport, transport).write(FULL)
            transport.close()
            return
        self.inner = inner
        inner.connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.inner:
            self.door.leave(self.inner)
            self.inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.inner:
            self.door.hear(self.inner)
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        if self.inner:
            self.inner.eof_received()
        return None

    def pause_writing(self) -> None:
        if self.inner:
            self.inner.pause_writing()

    def resume_writing(self) -> None:
        if self.inner:
            self.inner.resume_writing()
