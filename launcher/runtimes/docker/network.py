"""The bridge that sessions share: out to the internet, not to each other."""

from __future__ import annotations

import hashlib

import docker
from docker.errors import APIError, NotFound


def network_options(name: str) -> dict[str, str]:
    """`enable_icc` false: containers on the bridge cannot reach one another."""
    bridge = f"ln-{hashlib.sha256(name.encode()).hexdigest()[:8]}"  # 15 characters at most
    return {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.name": bridge,
    }


def ensure_network(client: docker.DockerClient, name: str) -> None:
    """Make the network if it is not there."""
    try:
        client.networks.get(name)
        return
    except NotFound:
        pass
    try:
        client.networks.create(
            name,
            driver="bridge",
            options=network_options(name),
            labels={"launcher.network": name},
            check_duplicate=True,
        )
    except APIError as error:
        if error.status_code != 409:  # another process was faster
            raise
