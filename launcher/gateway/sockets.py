"""WebSockets: frames passed on in both directions, and closed so that both sides notice."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import aiohttp
from aiohttp import web

GOING_AWAY = 1001
"""Tells a page that its server went away, not that the talk was over."""

PING = 30.0
"""Seconds between two questions whether a browser is there: a closed laptop ends no connection."""
UNANSWERED = 4
"""Questions after which it is not; an answer on a slow line waits behind what is sent before it."""

Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


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
