"""The bridge that sessions share: out to the internet, not to each other."""

from __future__ import annotations

import hashlib
import time

import docker
from docker.errors import APIError, NotFound

PATIENCE = 2.0
"""Seconds that another process may take to make the network."""


def network_options(name: str) -> dict[str, str]:
    """`enable_icc` false: containers on the bridge cannot reach one another."""
    bridge = f"ln-{hashlib.sha256(name.encode()).hexdigest()[:8]}"  # 15 characters at most
    return {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.name": bridge,
    }


def ensure_network(client: docker.DockerClient, name: str) -> None:
    """Make the network if it is not there."""
    if has_network(client, name):
        return
    try:
        client.networks.create(
            name,
            driver="bridge",
            options=network_options(name),
            labels={"launcher.network": name},
            check_duplicate=True,
        )
    except APIError:
        # Another process may have been faster. The engine says so in more than one way: a name
        # or a bridge that is taken, and shortly before the winner's network can be seen.
        deadline = time.monotonic() + PATIENCE
        while not has_network(client, name):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def has_network(client: docker.DockerClient, name: str) -> bool:
    try:
        client.networks.get(name)
        return True
    except NotFound:
        return False
