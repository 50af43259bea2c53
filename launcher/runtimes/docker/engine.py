"""What the launcher asks of a Docker engine beside sessions: a build, a pull, one command."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Literal

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image
from docker.utils import parse_repository_tag
from requests.exceptions import RequestException

from envs.builder import Say
from envs.errors import BuildFailed
from envs.halt import NO_HALT, Halt
from envs.netrc import read_netrc
from envs.room import ROOMY, Room
from launcher.machine.proxy import NO_PROXY, Proxy
from launcher.people.identity import derived
from launcher.runtimes.docker import buildkit
from launcher.runtimes.docker.build_walls import BuildWalls
from launcher.runtimes.docker.commit import CommitBuild
from launcher.runtimes.docker.context import DOCKERFILE
from launcher.runtimes.docker.limits import NO_LIMITS, BuildLimits, container_name, kill

LONGEST_CHECK = 240
"""Seconds that an image may take to show that sessions can start from it."""

LARGEST_ANSWER = 1_000_000
"""Bytes of output."""


@dataclass(frozen=True)
class Engine:
    """One engine, with the time limit of builds on it."""

    client: docker.DockerClient
    timeout: float = 3600.0
    """Seconds that one build may take."""
    legacy: bool = False
    """True keeps to the engine's first builder."""
    limits: BuildLimits = NO_LIMITS
    commits: bool = False
    """True builds what the launcher renders in a container that is committed, see `commit.py`."""
    netrc: Path | None = None
    """Credentials of package indexes; needs `commits`."""
    room: Room = ROOMY
    proxy: Proxy = NO_PROXY
    """By which the steps of builds reach the internet; in no image and no log."""
    walls: BuildWalls | None = None
    """What keeps builds from this machine's ports and private networks."""
    secret: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    """The names of package caches are made with it, see `cache_names`."""

    @functools.cached_property
    def has_buildkit(self) -> bool:
        return not self.legacy and buildkit.probe(self.client)

    @functools.cached_property
    def reads_heredocs(self) -> bool:
        """True where a Dockerfile's heredocs are texts: BuildKit of Docker 23 was the first."""
        return self.has_buildkit and not self.limits and buildkit.version(self.client) >= (1, 42)

    @property
    def mounts(self) -> bool:
        """True where a rendered Dockerfile may mount caches."""
        return self.commits or self.has_buildkit

    def has_image(self, name: str) -> bool:
        try:
            self.client.images.get(name)
            return True
        except ImageNotFound:
            return False

    def label(self, image: str, name: str) -> str:
        """The image's label; empty where it has none, or is not here."""
        try:
            return str((self.client.images.get(image).labels or {}).get(name, ""))
        except ImageNotFound:
            return ""

    def pull(self, name: str, mark: str, *, halt: Halt) -> Image:
        """The image of this name with this tag or digest, pulled.

        :raises DockerException, OSError: it cannot be pulled.
        :raises envs.errors.EnvError: `halt` ended it.
        """
        buildkit.pull(self.client, name, mark, halt=halt)
        return self.client.images.get(f"{name}{'@' if ':' in mark else ':'}{mark}")

    def pulled(self, image: str, say: Say, halt: Halt) -> bool:
        """True when the image is here, pulled if it was not.

        :raises envs.errors.EnvError: `halt` ended it.
        """
        if self.has_image(image):
            return True
        say(f"Pulling {image}")
        name, mark = parse_repository_tag(image)
        try:
            self.pull(name, mark or "latest", halt=halt)
            return True
        except (DockerException, OSError) as error:
            say(f"It cannot be pulled ({str(error).splitlines()[0][:120]})")
            return False

    def build(
        self,
        context: IO[bytes],
        *,
        tag: str,
        labels: Mapping[str, str],
        say: Say,
        halt: Halt = NO_HALT,
        cache: str = "",
        rendered: bool = False,
    ) -> None:
        """Build the tar `context`.

        `cache` says whose caches the Dockerfile's steps mount; `rendered`, that the launcher wrote
        it.

        :raises BuildFailed: with the step that failed and the last lines.
        :raises BuildCancelled: `halt` ended it.
        """
        with self.walled():
            if rendered and self.commits:
                netrc = read_netrc(self.netrc) if self.netrc else None
                limits = self.own_network()
                own = CommitBuild(self.client, limits, cache, say, halt, netrc, self.proxy)
                own.build(context, tag=tag, dockerfile=DOCKERFILE, labels=labels)
                return
            legacy = bool(self.limits) or not self.has_buildkit
            buildkit.build(
                self.client,
                context,
                tag=tag,
                dockerfile=DOCKERFILE,
                labels=labels,
                say=say,
                halt=halt,
                cache=self.cache_names(cache),
                legacy=legacy,
                limits=self.own_network() if legacy else self.limits,
                proxy=self.proxy,
            )

    def cache_names(self, whose: str) -> str:
        """What the names of its package caches begin with: no other build can name them.

        BuildKit's caches belong to who names them, and a stranger's Dockerfile can name any.
        """
        return derived(self.secret, f"package caches of {whose}")

    def walled(self) -> contextlib.AbstractContextManager[None]:
        """While a build runs: what keeps its steps in."""
        return self.walls.around() if self.walls else contextlib.nullcontext()

    def own_network(self) -> BuildLimits:
        """The limits of a build in a container of its own: not on the bridge with all others."""
        if self.limits.network or not self.walls:
            return self.limits
        return replace(self.limits, network=self.walls.network())

    def run_once(
        self,
        image: str,
        script: str,
        *,
        entrypoint: str | None = "/bin/sh",
        lines: int | Literal["all"] = 20,
        halt: Halt = NO_HALT,
    ) -> tuple[int, str]:
        """Exit code and last lines of a shell script in a new container, as the student.

        `entrypoint` None is the image's own, which gets the shell as its command.

        :raises BuildFailed: the image cannot run at all, or its container does not end.
        """
        try:
            container = self.client.containers.create(
                image,
                ["-c", script] if entrypoint else ["/bin/sh", "-c", script],
                entrypoint=entrypoint,
                user="1000:1000",
                network_mode="none",
                environment={"HOME": "/tmp"},
                name=container_name(),
                **self.limits.of_container(),
            )
        except ImageNotFound as error:
            raise BuildFailed("The engine ended the build before the image was whole.") from error
        try:
            with halt.ending(lambda: kill(container)):
                container.start()
                code = container.wait(timeout=LONGEST_CHECK)["StatusCode"]
            if code and self.limits.memory:
                container.reload()
                if container.attrs["State"]["OOMKilled"]:
                    raise self.limits.too_little_memory()
            said = bytearray()
            for chunk in container.logs(tail=lines, stream=True, follow=False):
                said += chunk
                if len(said) > LARGEST_ANSWER:  # the image's own shell can print anything
                    break
            return int(code), said[:LARGEST_ANSWER].decode("utf-8", "replace").strip()
        except APIError as error:
            raise BuildFailed(f"The image cannot run: {error.explanation}") from error
        except RequestException as error:
            raise BuildFailed(
                f"The image was still busy after {LONGEST_CHECK} s of what takes seconds.",
                hint="An ENTRYPOINT must run the command that it is given.",
            ) from error
        finally:
            container.remove(force=True)
