"""A plain container's start, to the first answer of its server."""

from __future__ import annotations

import contextlib
import time

import docker
import requests


def start_to_status(engine: docker.DockerClient, image: str) -> None:
    """Run the image's server, wait until `/api/status` is 200, and remove the container."""
    command = ["jupyter-server", "--ServerApp.ip=0.0.0.0", "--IdentityProvider.token=t"]
    container = engine.containers.run(image, command, detach=True, init=True)
    try:
        container.reload()
        address = container.attrs["NetworkSettings"]["IPAddress"]
        deadline = time.monotonic() + 60
        with requests.Session() as http:
            http.trust_env = False  # the container is on this machine, whatever proxy is set
            while time.monotonic() < deadline:
                with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                    url = f"http://{address}:8888/api/status"
                    headers = {"Authorization": "token t"}
                    if http.get(url, headers=headers, timeout=2).status_code == 200:
                        return
                time.sleep(0.02)
        raise TimeoutError("the container did not answer")
    finally:
        container.remove(force=True)
