"""Which requests begin: a few in each turn of the event loop, in the order in which they came.

A class that clicks sends a hundred at once. Were they all begun in one turn, whoever asks next,
for `/healthz` or a kernel's message, would wait for all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

FEW = 4
"""Requests that begin in one turn: each takes about a millisecond."""


@dataclass
class Beginnings:
    """Those that wait for their turn; of one event loop."""

    few: int = FEW
    _begun: int = 0
    """In this turn."""
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    async def turn(self) -> None:
        """Return when this request may begin."""
        loop = asyncio.get_running_loop()
        if self._begun == 0:
            loop.call_soon(self._next)
        if self._begun < self.few:
            self._begun += 1
            return
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _next(self) -> None:
        """A turn of the loop is over: the next few begin in the one that comes."""
        self._begun = 0
        while self._waiting and self._begun < self.few:
            first = self._waiting.popleft()
            if not first.done():  # else its browser went away
                first.set_result(None)
                self._begun += 1
        if self._begun:
            asyncio.get_running_loop().call_soon(self._next)
