"""Builds through BuildKit by the engine's API: no CLI, no plugin.

The one module that uses private calls of docker-py, which has no public ones for this
(docker-py issue 2230). `probe` tells whether they and the engine can do it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import docker
from docker.errors import APIError, BuildError, DockerException
from urllib3.exceptions import HTTPError

from envs.builder import Say
from envs.errors import BuildFailed


def probe(client: docker.DockerClient) -> bool:
    """True when builds with cache mounts work: an engine of API 1.39 or later has BuildKit."""
    try:
        version = client.version()["ApiVersion"]
    except DockerException:
        return False
    new = tuple(int(part) for part in version.split(".")) >= (1, 39)
    return new and all(hasattr(client.api, name) for name in ("_post", "_url", "_stream_helper"))


@dataclass
class Trace:
    """What BuildKit said so far, as lines of a build log."""

    names: dict[str, str] = field(default_factory=dict)
    said: set[tuple[str, str]] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    _rest: dict[str, str] = field(default_factory=dict)

    def lines(self, packet: bytes) -> Iterator[str]:
        """The new lines of one status packet (`moby.buildkit.v1.StatusResponse`)."""
        for number, value in fields(packet):
            if number == 1:
                yield from self._vertex(dict_of(value))
            elif number == 3:
                log = dict_of(value)
                yield from self._log(text(log, 1), text(log, 4))

    def _vertex(self, vertex: dict[int, Any]) -> Iterator[str]:
        digest, name, error = text(vertex, 1), text(vertex, 3), text(vertex, 7)
        self.names[digest] = name
        if name.startswith("[internal]"):
            return
        state = "CACHED " if vertex.get(4) else ""
        if (state or 5 in vertex) and (digest, "name") not in self.said:
            self.said.add((digest, "name"))
            yield f"{state}{name}"
        if error and (digest, "error") not in self.said:
            self.said.add((digest, "error"))
            self.errors.append(f"{name}: {error}")

    def _log(self, digest: str, said: str) -> Iterator[str]:
        """Complete lines; of a progress display only its last state."""
        *lines, self._rest[digest] = (self._rest.get(digest, "") + said).split("\n")
        for line in lines:
            yield line.rstrip("\r").rsplit("\r", 1)[-1]


def build(
    client: docker.DockerClient,
    context: IO[bytes],
    *,
    tag: str,
    dockerfile: str,
    labels: Mapping[str, str],
    say: Say,
    timeout: float,
) -> None:
    """Build the tar `context` and tag the result.

    :raises BuildFailed: with the step that failed and the last lines.
    """
    api: Any = client.api
    deadline = time.monotonic() + timeout
    trace, tail = Trace(), list[str]()
    params = {
        "version": "2",
        "buildid": uuid.uuid4().hex,
        "t": tag,
        "dockerfile": dockerfile,
        "labels": json.dumps(dict(labels)),
        "rm": "1",
        "forcerm": "1",
    }
    try:
        response = api._post(
            api._url("/build"),
            data=context,
            params=params,
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=timeout,
        )
        # Closing it ends the build, too, when nobody listens to its end.
        with contextlib.closing(response):
            api._raise_for_status(response)
            for event in api._stream_helper(response, decode=True):
                check_time(deadline, timeout, tail)
                if event.get("id") == "moby.buildkit.trace":
                    for line in trace.lines(base64.b64decode(event["aux"])):
                        tail.append(line)
                        say(line)
                elif "error" in event:
                    raise BuildFailed(first_error(trace, event["error"]), log_tail=tail[-20:])
    except (APIError, OSError, HTTPError) as error:
        raise BuildFailed(f"The engine ended the build: {error}", log_tail=tail[-20:]) from error


def build_legacy(
    client: docker.DockerClient,
    context: IO[bytes],
    *,
    tag: str,
    dockerfile: str,
    labels: Mapping[str, str],
    say: Say,
    timeout: float,
) -> None:
    """The same through the engine's first builder, which knows no cache mounts."""
    tail: list[str] = []
    deadline = time.monotonic() + timeout
    try:
        for event in client.api.build(
            fileobj=context,
            custom_context=True,
            tag=tag,
            dockerfile=dockerfile,
            labels=dict(labels),
            rm=True,
            forcerm=True,
            decode=True,
            timeout=int(timeout),
        ):
            check_time(deadline, timeout, tail)
            for line in str(event.get("stream", "")).splitlines():
                if line.strip():
                    tail.append(line)
                    say(line)
            if "error" in event:
                raise BuildFailed(str(event["error"]), log_tail=tail[-20:])
    except (APIError, BuildError, OSError, HTTPError) as error:
        raise BuildFailed(f"The engine ended the build: {error}", log_tail=tail[-20:]) from error


def check_time(deadline: float, timeout: float, tail: list[str]) -> None:
    """The engine's own limit is for one silence; a build that keeps talking must end, too.

    :raises BuildFailed: the deadline has passed.
    """
    if time.monotonic() > deadline:
        raise BuildFailed(f"The build took longer than {timeout:.0f} s.", log_tail=tail[-20:])


def first_error(trace: Trace, last: str) -> str:
    """The first step that failed; the engine's own last word often names a later one."""
    return trace.errors[0] if trace.errors else last


def fields(packet: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a protobuf message: https://protobuf.dev/programming-guides/encoding/"""
    at = 0
    while at < len(packet):
        key, at = varint(packet, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = varint(packet, at)
            yield number, value
        elif kind == 2:
            size, at = varint(packet, at)
            yield number, packet[at : at + size]
            at += size
        else:
            at += 8 if kind == 1 else 4


def varint(packet: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = packet[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at


def dict_of(packet: bytes | int) -> dict[int, Any]:
    return dict(fields(packet)) if isinstance(packet, bytes) else {}


def text(message: dict[int, Any], number: int) -> str:
    value = message.get(number, b"")
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""
