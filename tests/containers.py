"""What a program prints in a container, to its last line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import docker
from docker.errors import ContainerError


def printed(client: docker.DockerClient, image: str, command: Sequence[str], **more: Any) -> bytes:
    """What a command prints in a new container, which is removed.

    docker-py's own `run(..., remove=True)` follows the log, whose end some engines lose.

    :raises ContainerError: the command failed; the error has what it said of that.
    """
    container = client.containers.create(image, list(command), **more)
    try:
        container.start()
        code = container.wait(timeout=300)["StatusCode"]
        if code:
            said = container.logs(stdout=False)
            raise ContainerError(container, code, command, image, said)
        return bytes(container.logs(stderr=False))
    finally:
        container.remove(force=True)
