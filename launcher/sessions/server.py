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
SILENCE = 2.0
"""Seconds without a sign of it."""
LARGEST = 65536
"""Bytes; Jupyter's status has a hundred, and two hundred for each kernel."""

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
    """What the server says as a JSON object, or None for anything else; see `ask_json`."""
    found = ask_json(address, path, token)
    return found if isinstance(found, dict) else None


def ask_busy(address: str, base_url: str, token: str) -> bool:
    """Whether the server says that a kernel runs a cell now; to ask is no use of the session.

    Its status does not tell: the last activity there is the last output.
    """
    kernels = ask_json(address, f"{base_url}api/kernels?no_track_activity=1", token)
    return isinstance(kernels, list) and any(
        isinstance(one, dict) and one.get("execution_state") == "busy" for one in kernels
    )


def ask_json(address: str, path: str, token: str) -> object:
    """What the server says as JSON, or None where it says anything else.

    Follows no redirect, reads a little, and ends within `PATIENCE` seconds whatever comes.
    """
    place = urlsplit(address)
    if not place.hostname:
        return None
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=SILENCE)
    try:
        connection.connect()
        ender = threading.Timer(PATIENCE, hang_up, [connection.sock])
        ender.daemon = True
        ender.start()
        try:
            connection.request("GET", path, headers={"Authorization": f"token {token}"})
            answer = connection.getresponse()
            found: object = json.loads(answer.read(LARGEST)) if answer.status == 200 else None
        finally:
            ender.cancel()
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return None
    finally:
        connection.close()
    return found


def hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
