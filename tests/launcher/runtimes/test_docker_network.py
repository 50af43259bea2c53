"""The network of sessions is there once, whoever asks for it."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import docker
import pytest
from docker.errors import APIError

from launcher.runtimes.docker import network
from launcher.runtimes.docker.network import ensure_network

pytestmark = pytest.mark.docker
BRIDGE = "com.docker.network.bridge.name"


@pytest.fixture
def name():
    name = f"launcher-test-{uuid.uuid4().hex[:8]}"
    yield name
    client = docker.from_env()
    for made in client.networks.list(names=[name]):
        made.remove()
    client.close()


def test_launchers_that_start_their_first_sessions_at_once_share_one_network(name):
    together = threading.Barrier(4)

    def ensure(_):
        client = docker.from_env()
        together.wait(60)
        ensure_network(client, name)
        found = len(client.networks.list(names=[name]))
        client.close()
        return found

    with ThreadPoolExecutor(4) as launchers:
        assert list(launchers.map(ensure, range(4))) == [1, 1, 1, 1]


def test_a_network_that_cannot_be_made_is_an_error(name, monkeypatch):
    monkeypatch.setattr(
        network, "network_options", lambda name: {BRIDGE: "longer-than-15-characters"}
    )
    client = docker.from_env()
    with pytest.raises(APIError):
        ensure_network(client, name)
    client.close()
