"""Request bodies on their way: streamed, and given up when they are too large or stand still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import StreamReader

STALL = 60.0
"""Seconds without a byte after which nobody waits for the rest; a page that woke up asks anew."""
FORM_TIMEOUT = 120.0
"""Seconds that a whole body for the app may take; those for sessions only may not stand still."""
READER_STALL = 300.0
"""Seconds that a browser may take no byte of an answer."""


class TooLarge(Exception):
    """The body is longer than what its receiver takes."""


class TooSlow(Exception):
    """The body did not come in time."""


@dataclass
class Body:
    """A request's body, chunk by chunk as it comes."""

    source: StreamReader
    most: int = 0
    """Bytes; 0 is any length."""
    stall: float = STALL
    whole: float | None = None
    """Seconds for all of it; None is any time."""
    trouble: TooLarge | TooSlow | None = None
    """Why it ended early: whoever sends it on hides that behind an error of its own."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.whole if self.whole else None
        length = 0
        while True:
            deadline = loop.time() + self.stall
            try:
                async with asyncio.timeout_at(min(deadline, end) if end else deadline):
                    chunk = await self.source.readany()
            except TimeoutError:
                self.trouble = TooSlow()
                raise self.trouble from None
            if not chunk:
                return
            length += len(chunk)
            if self.most and length > self.most:
                self.trouble = TooLarge()
                raise self.trouble
            yield chunk
