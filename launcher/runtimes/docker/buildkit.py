"""Builds by the engine's API, through BuildKit or its first builder: no CLI, no plugin.

The one module that uses private calls of docker-py, which has no public ones for BuildKit
(docker-py issue 2230), nor any to end a build or a pull. `probe` tells whether the engine has
BuildKit.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import uuid
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import docker
from docker import auth
from docker.errors import APIError, DockerException
from docker.types import CancellableStream
from urllib3.exceptions import HTTPError

from envs.builder import LONGEST_LINE, TAIL, Say
from envs.errors import BuildFailed
from envs.halt import NO_HALT, Halt
from launcher.machine.proxy import NO_PROXY, Proxy
from launcher.runtimes.docker.api import REGISTRY
from launcher.runtimes.docker.limits import KILLED, NO_LIMITS, BuildLimits

LONG = 1800
"""Seconds; the engine copies what all steps wrote, or measures and removes it."""


CACHES = "BUILDKIT_CACHE_MOUNT_NS"
"""An argument of every build, see https://docs.docker.com/reference/dockerfile/. Steps do not see
it, and no log or history shows it, unless the Dockerfile itself asks for it."""


def probe(client: docker.DockerClient) -> bool:
    """True when builds with cache mounts work: an engine of API 1.39 or later has BuildKit."""
    try:
        new = version(client) >= (1, 39)
    except DockerException:
        return False
    return new and all(hasattr(client.api, name) for name in ("_post", "_url", "_stream_helper"))


def version(client: docker.DockerClient) -> tuple[int, ...]:
    """Of the engine's API, the newest that it speaks.

    :raises DockerException: it does not answer.
    """
    return tuple(int(part) for part in client.version()["ApiVersion"].split("."))


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
        self._rest[digest] = self._rest[digest][-LONGEST_LINE:]
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
    halt: Halt = NO_HALT,
    cache: str = "",
    legacy: bool = False,
    limits: BuildLimits = NO_LIMITS,
    proxy: Proxy = NO_PROXY,
) -> None:
    """Build the tar `context` and tag the result; `legacy` uses the engine's first builder.

    Only that one holds to limits, and only BuildKit has caches that steps mount: it puts `cache`
    in front of the names of all of them. Both keep the proxy's arguments, which every Dockerfile
    has, out of the image and its history.

    :raises BuildFailed: with the step that failed and the last lines.
    :raises BuildCancelled: `halt` ended it.
    """
    api: Any = client.api
    trace, tail = Trace(), deque[str](maxlen=TAIL)
    params = {
        "version": "1" if legacy else "2",
        "buildid": uuid.uuid4().hex,
        "t": tag,
        "dockerfile": dockerfile,
        "labels": json.dumps(dict(labels)),
        "buildargs": json.dumps({**proxy.variables, **({} if legacy else {CACHES: cache})}),
        "rm": "1",
        "forcerm": "1",
        **(limits.of_build() if legacy else {}),
    }
    try:
        response = api._post(
            api._url("/build"),
            data=context,
            params=params,
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=halt.limit if halt.limit < math.inf else None,
        )
        with contextlib.closing(response):
            api._raise_for_status(response)
            events = api._stream_helper(response, decode=True)
            with halt.ending(lambda: hang_up(api, response, params["buildid"])):
                for event in events:
                    for line in map(proxy.hidden, lines_of(event, trace)):
                        tail.append(line)
                        say(line)
                    if "error" in event:
                        if limits.memory and event.get("errorDetail", {}).get("code") == KILLED:
                            raise limits.too_little_memory()
                        wrong = proxy.hidden(first_error(trace, event["error"]))
                        raise BuildFailed(wrong, log_tail=tuple(tail))
    except (APIError, OSError, HTTPError) as error:
        raise BuildFailed(f"The engine ended the build: {error}", log_tail=tuple(tail)) from error


def pull(client: docker.DockerClient, repository: str, tag: str, *, halt: Halt) -> None:
    """Pull an image; docker-py's own call waits for a registry as long as that likes.

    :raises DockerException, OSError: it cannot be pulled.
    :raises EnvError: `halt` ended it.
    """
    api: Any = client.api
    header = auth.get_config_header(api, auth.resolve_repository_name(repository)[0])
    try:
        # The answer begins when the registry has shown what the image is.
        response = halt.answer(
            lambda: api._post(
                api._url("/images/create"),
                params={"fromImage": repository, "tag": tag},
                headers={"X-Registry-Auth": header} if header else {},
                stream=True,
                timeout=REGISTRY,
            ),
            drop=lambda late: late.close(),
        )
        with contextlib.closing(response):
            api._disable_socket_timeout(api._get_raw_response_socket(response))
            with halt.ending(lambda: hang_up(api, response, "")):
                for event in api._stream_helper(response, decode=True):
                    if "error" in event:
                        raise APIError(event["error"], explanation=event["error"])
    except HTTPError as error:
        raise OSError(f"the engine ended the pull: {error}") from error


def commit(
    client: docker.DockerClient,
    container: str,
    tag: str,
    changes: Sequence[str],
    labels: Mapping[str, str],
) -> None:
    """Make an image of a container; docker-py's own call gives up after the client's timeout.

    :raises APIError: the engine could not.
    """
    api: Any = client.api
    repository, _, version = tag.rpartition(":")
    params = {
        "container": container,
        "repo": repository,
        "tag": version,
        "changes": list(changes),
    }
    body = {"Labels": dict(labels)}
    url = api._url("/commit")
    api._result(api._post_json(url, data=body, params=params, timeout=LONG), json=True)


def prune(client: docker.DockerClient, keep: int) -> int:
    """Remove cached steps and packages of builds down to `keep` bytes; how many bytes that freed.

    docker-py's own call gives up after the client's timeout, as does that for `usage`.

    :raises APIError: the engine could not.
    """
    api: Any = client.api
    params = {"keep-storage": keep, "all": "1"}
    response = api._post(api._url("/build/prune"), params=params, timeout=LONG)
    return int(api._result(response, json=True).get("SpaceReclaimed") or 0)


def usage(client: docker.DockerClient) -> dict[str, Any]:
    """What the engine's caches, images and volumes take, see its API's `/system/df`.

    :raises APIError: the engine could not tell.
    """
    api: Any = client.api
    return dict(api._result(api._get(api._url("/system/df"), timeout=LONG), json=True))


def hang_up(api: Any, response: Any, build: str) -> None:
    """Close the connection from another thread than the one that reads it, which ends the build.

    Without the id of one it was a pull.
    """
    try:
        CancellableStream(iter(()), response).close()
    except DockerException:  # docker-py cannot do that over SSH, but BuildKit can be told
        with contextlib.suppress(DockerException, OSError, AttributeError):
            if build:
                api._post(api._url("/build/cancel"), params={"id": build})
            else:
                response.raw._fp.fp.channel.close()
    except (OSError, AttributeError):
        pass  # it is closed already


def lines_of(event: Mapping[str, Any], trace: Trace) -> Iterator[str]:
    """What one event of a build adds to its log."""
    if event.get("id") == "moby.buildkit.trace":
        yield from trace.lines(base64.b64decode(event["aux"]))
    for line in str(event.get("stream", "")).splitlines():
        if line.strip():
            yield line


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
