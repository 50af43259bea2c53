"""Answers to whoever issues certificates, who asks by plain http (RFC 8555, section 8.3)."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

FOLDER = ".well-known/acme-challenge"
NAME = "[A-Za-z0-9_-]{1,200}"
"""base64url, as the RFC says: no dot and no slash."""
LONGEST = 4096


def challenges(folder: Path) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Serves what `certbot certonly --webroot -w folder` writes, and nothing else there."""

    async def handle(request: web.Request) -> web.Response:
        said = await asyncio.to_thread(read, folder / FOLDER / request.match_info["token"])
        if said is None:
            return web.Response(status=404, text="No such challenge.\n")
        return web.Response(body=said, content_type="application/octet-stream")

    return handle


def read(file: Path) -> bytes | None:
    """The content of a plain file; None where there is none, or a link, a pipe and the like."""
    try:
        with open(file, "rb", opener=no_link) as opened:
            plain = stat.S_ISREG(os.fstat(opened.fileno()).st_mode)
            return opened.read(LONGEST) if plain else None
    except OSError:
        return None


def no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
