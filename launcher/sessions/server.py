"""A session's server, asked over HTTP. It is the student's: it may answer anything."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

PATIENCE = 3.0
"""Seconds for a session's answer, from the first byte asked to the last."""
LARGEST_STATUS = 65536
"""Bytes; Jupyter's own answer has a hundred."""

FIRST_PAGES = (
    "api/contents",
    "api/kernelspecs",
    "lab",
    "lab/api/settings",
    "lab/api/translations",
    "launcher/rouse",  # in images with our server: a notebook's schemas, see envs/base/lean.py
)
"""What a browser asks a server for at once, without a file's name; none of it writes."""


def ask_status(address: str, path: str, token: str) -> dict[str, object] | None:
    """What the server says as JSON, or None for anything else.

    Follows no redirect, reads a little, and ends within `PATIENCE` seconds whatever comes.
    """
    place = urlsplit(address)
    if not place.hostname:
        return None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=2)
    try:
        connection.connect()
        ender = threading.Timer(PATIENCE, hang_up, [connection.sock])
        ender.daemon = True
        ender.start()
        try:
            connection.request("GET", path, headers={"Authorization": f"token {token}"})
            answer = connection.getresponse()
            found = json.loads(answer.read(LARGEST_STATUS)) if answer.status == 200 else None
        finally:
            ender.cancel()
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    return found if isinstance(found, dict) else None


def hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
