"""A command inside a container, with its input streamed and its outputs kept apart."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import docker
from docker.errors import APIError

from launcher.errors import SessionGone
from launcher.runtimes.base import Completed

CHUNK = 64 * 1024


def run_in_container(
    client: docker.DockerClient,
    container: str,
    command: Sequence[str],
    *,
    user: str,
    workdir: str,
    environment: Mapping[str, str],
    stdin: BinaryIO | None,
    timeout: float,
) -> Completed:
    """Run the command and wait for its end.

    :raises TimeoutError: it took longer; it was ended.
    :raises SessionGone: the container stopped meanwhile.
    """
    api: Any = client.api
    # `timeout` inside ends the command itself: closing an exec's stream would leave it running.
    limited = ["timeout", "--signal=KILL", f"{timeout + 1:.0f}", *command]
    try:
        made = api.exec_create(
            container,
            limited,
            stdin=stdin is not None,
            user=user,
            workdir=workdir,
            environment=dict(environment),
        )
        stream = api.exec_start(made["Id"], socket=True)
    except APIError as error:
        raise SessionGone("The session has just stopped.", hint="Open its link again.") from error
    raw: socket.socket = getattr(stream, "_sock", stream)
    raw.settimeout(timeout + 5)
    outputs = {1: bytearray(), 2: bytearray()}
    try:
        if stdin is not None:
            threading.Thread(target=feed, args=(raw, stdin), daemon=True).start()
        read_frames(raw, outputs)
    finally:
        with contextlib.suppress(OSError):
            raw.close()
        with contextlib.suppress(OSError):
            stream.close()
    code = exit_code(api, made["Id"])
    if code == 137 and b"timeout" not in outputs[2]:
        raise TimeoutError(f"{command[0]} took longer than {timeout:.0f} s")
    return Completed(code, bytes(outputs[1]), bytes(outputs[2]))


def feed(raw: socket.socket, stdin: BinaryIO) -> None:
    """Send the input and then its end; a command that ended early does not read it all."""
    with contextlib.suppress(OSError):
        while chunk := stdin.read(CHUNK):
            raw.sendall(chunk)
        raw.shutdown(socket.SHUT_WR)


def read_frames(raw: socket.socket, outputs: Mapping[int, bytearray]) -> None:
    """The engine's framing: one byte of stream number, three of nothing, four of length."""
    while True:
        header = read_exactly(raw, 8)
        if len(header) < 8:
            return
        number, size = struct.unpack(">BxxxL", header)
        outputs.get(number, bytearray()).extend(read_exactly(raw, size))


def read_exactly(raw: socket.socket, size: int) -> bytes:
    """`size` bytes, or fewer at the end of the stream."""
    found = bytearray()
    while len(found) < size:
        chunk = raw.recv(min(size - len(found), CHUNK))
        if not chunk:
            break
        found += chunk
    return bytes(found)


def exit_code(api: Any, exec_id: str) -> int:
    """The command's code; the engine may learn it a moment after the stream's end."""
    for _ in range(100):
        found = api.exec_inspect(exec_id)
        if not found["Running"] and found["ExitCode"] is not None:
            return int(found["ExitCode"])
        time.sleep(0.02)
    return 1
