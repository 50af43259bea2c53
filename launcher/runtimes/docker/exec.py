"""A command inside a container, with its input streamed and its outputs kept apart."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import docker
from docker.errors import APIError, NotFound

from launcher.errors import SessionFailed, SessionGone
from launcher.runtimes.base import LARGEST, Completed

CHUNK = 64 * 1024
EXIT = 30.0
"""Seconds that a busy engine may take from the end of a command's outputs to its exit code."""


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
    :raises SessionFailed: it printed more than any of our commands does.
    """
    api: Any = client.api
    deadline = time.monotonic() + timeout + 5
    # `timeout` inside ends the command itself: closing an exec's stream would leave it running.
    # By its full path: a student's ~/.local/bin comes first. `-s` is busybox's spelling, too.
    limited = ["/usr/bin/timeout", "-s", "KILL", f"{timeout + 1:.0f}", *command]
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
    # docker-py hands out the bare socket, but what came together with the answer's header is in the
    # response's buffer and not on the socket any more; so all of it is read through the buffer.
    buffered = stream._response.raw._fp.fp
    outputs = {1: bytearray(), 2: bytearray()}
    try:
        if stdin is not None:
            threading.Thread(target=feed, args=(raw, stdin), daemon=True).start()
        read_frames(raw, buffered, outputs, deadline)
    finally:
        with contextlib.suppress(OSError):
            raw.close()
        with contextlib.suppress(OSError):
            stream.close()
    code = code_unless_gone(client, container, made["Id"])
    if code == 137 and time.monotonic() > deadline - 5:
        raise TimeoutError(f"{command[0]} took longer than {timeout:.0f} s")
    return Completed(code, bytes(outputs[1]), bytes(outputs[2]))


def output_of(client: docker.DockerClient, exec_id: str) -> Iterator[bytes]:
    """Start a command that was made, and give what it prints as it comes, both outputs mixed."""
    api: Any = client.api
    stream = api.exec_start(exec_id, socket=True)
    raw: socket.socket = getattr(stream, "_sock", stream)
    raw.settimeout(None)
    buffered = stream._response.raw._fp.fp  # see `run_in_container`
    try:
        while len(header := buffered.read(8)) == 8:
            yield buffered.read(struct.unpack(">BxxxL", header)[1])
    finally:
        with contextlib.suppress(OSError):
            raw.close()
        with contextlib.suppress(OSError):
            stream.close()


def feed(raw: socket.socket, stdin: BinaryIO) -> None:
    """Send the input and then its end; a command that ended early does not read it all."""
    with contextlib.suppress(OSError):
        while chunk := stdin.read(CHUNK):
            raw.sendall(chunk)
        raw.shutdown(socket.SHUT_WR)


def read_frames(
    raw: socket.socket, buffered: Any, outputs: Mapping[int, bytearray], deadline: float
) -> None:
    """The engine's framing: one byte of stream number, three of nothing, four of length."""
    while True:
        header = read_exactly(raw, buffered, 8, deadline)
        if len(header) < 8:
            return
        number, size = struct.unpack(">BxxxL", header)
        said = read_exactly(raw, buffered, size, deadline)
        if number in outputs:
            outputs[number].extend(said)
        if sum(map(len, outputs.values())) > LARGEST:
            raise SessionFailed("A command in the session printed without end.")


def read_exactly(raw: socket.socket, buffered: Any, size: int, deadline: float) -> bytes:
    """`size` bytes, or fewer at the end of the stream.

    :raises TimeoutError: the deadline passed, however steadily something came.
    """
    found = bytearray()
    while len(found) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("The command took too long")
        raw.settimeout(left)
        chunk = buffered.read1(min(size - len(found), CHUNK))
        if not chunk:
            break
        found += chunk
    return bytes(found)


def exit_code(client: docker.DockerClient, exec_id: str) -> int:
    """The command's code, which the engine may learn a moment after the stream's end; else 1."""
    api: Any = client.api
    deadline = time.monotonic() + EXIT
    while time.monotonic() < deadline:
        found = api.exec_inspect(exec_id)
        if not found["Running"] and found["ExitCode"] is not None:
            return int(found["ExitCode"])
        time.sleep(0.02)
    return 1


def code_unless_gone(client: docker.DockerClient, container: str, exec_id: str) -> int:
    """The same of a session's command.

    :raises SessionGone: the container does not run any more.
    """
    api: Any = client.api
    try:
        code = exit_code(client, exec_id)
        # A container that is killed takes its commands along; the engine says so a moment later.
        for _ in range(60 if code == 137 else 0):
            if not api.inspect_container(container)["State"]["Running"]:
                raise SessionGone("The session has just stopped.", hint="Open its link again.")
            time.sleep(0.05)
    except NotFound as error:
        raise SessionGone("The session has just stopped.", hint="Open its link again.") from error
    return code
