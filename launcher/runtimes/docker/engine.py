"""What the launcher asks of a Docker engine beside sessions: a build, a pull, one command."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from requests.exceptions import RequestException

from envs.builder import Say
from envs.errors import BuildFailed
from envs.halt import NO_HALT, Halt
from launcher.runtimes.docker import buildkit
from launcher.runtimes.docker.context import DOCKERFILE

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

    @functools.cached_property
    def has_buildkit(self) -> bool:
        return not self.legacy and buildkit.probe(self.client)

    def has_image(self, name: str) -> bool:
        try:
            self.client.images.get(name)
            return True
        except ImageNotFound:
            return False

    def pulled(self, image: str, say: Say) -> bool:
        """True when the image is here, pulled if it was not."""
        if self.has_image(image):
            return True
        say(f"Pulling {image}")
        try:
            self.client.images.pull(image)
            return True
        except DockerException as error:
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
    ) -> None:
        buildkit.build(
            self.client,
            context,
            tag=tag,
            dockerfile=DOCKERFILE,
            labels=labels,
            say=say,
            halt=halt,
            legacy=not self.has_buildkit,
        )

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
            )
        except ImageNotFound as error:
            raise BuildFailed("The engine ended the build before the image was whole.") from error
        try:
            with halt.ending(lambda: kill(container)):
                container.start()
                code = container.wait(timeout=LONGEST_CHECK)["StatusCode"]
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


def kill(container: Any) -> None:
    """End a container that may have ended, or may not run yet."""
    with contextlib.suppress(DockerException):
        container.kill()
