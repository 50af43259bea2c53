"""The bridges that sessions share, one per egress: out to the internet, not to each other."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import docker
from docker.errors import APIError, NotFound

from launcher.runtimes.docker.packet_filter import devices

BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
"""Whether the packet filter sees what stays on one bridge; the engine switches it on."""
PATIENCE = 30.0
"""Seconds that another process may take to make the network."""


def network_of(name: str, egress: str) -> str:
    """The network for sessions of this egress: `web` has the plain name."""
    return name if egress == "web" else f"{name}-{egress}"


def bridge_of(name: str) -> str:
    """The bridge of a network, in the 15 characters that a device's name may have."""
    return f"ln-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def network_options(name: str) -> dict[str, str]:
    """`enable_icc` false: containers on the bridge cannot reach one another."""
    return {
        "com.docker.network.bridge.enable_icc": "false",
        "com.docker.network.bridge.name": bridge_of(name),
    }


def ensure_network(client: docker.DockerClient, name: str, *, internal: bool = False) -> None:
    """Make the network if it is not there; `internal` has no way out at all."""
    if has_network(client, name):
        return
    try:
        client.networks.create(
            name,
            driver="bridge",
            options=network_options(name),
            internal=internal,
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


def trouble_with(client: docker.DockerClient, names: Sequence[str]) -> str | None:
    """What keeps these networks from holding their promise, in a sentence; None where nothing does.

    Networks that are not made yet will be as they should.
    """
    for network in client.networks.list(names=list(names)):
        if network.name not in names:  # the engine looks for parts of names
            continue
        options = network.attrs.get("Options") or {}
        bridge = options.get("com.docker.network.bridge.name", "")
        if options.get("com.docker.network.bridge.enable_icc") != "false":
            return (
                f"Sessions reach each other: the network {network.name} was not made by this "
                "launcher. Remove it, or name another one in docker.network."
            )
        if network.attrs.get("EnableIPv6"):
            return f"The network {network.name} has IPv6, which is not walled. Remove it."
        if bridge not in devices():
            return (
                f"The bridge {bridge} of the network {network.name} is not one of this machine: "
                "keep sessions away from ports and private networks where the engine runs."
            )
        if read(BRIDGED) == "0":
            return f"Sessions reach each other: {BRIDGED} is 0. Set it to 1."
    return None


def read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
