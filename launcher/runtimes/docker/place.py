"""Where the engine is, and where it keeps what it has."""

from __future__ import annotations

import os
from pathlib import Path

import docker


def root_folder(client: docker.DockerClient) -> list[Path]:
    """Where the engine keeps images, if that is a folder of this machine."""
    if elsewhere():
        return []
    folder = Path(client.info().get("DockerRootDir") or "/nowhere")
    return [folder] if folder.is_dir() else []


def elsewhere() -> bool:
    """True when the engine is another machine's."""
    return os.environ.get("DOCKER_HOST", "unix://").startswith(("tcp:", "ssh:", "http"))
