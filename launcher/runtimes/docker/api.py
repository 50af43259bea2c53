"""The engine's API as docker-py speaks it, with an engine that is gone told apart."""

from __future__ import annotations

from typing import Any

import docker
import requests
from docker.utils import kwargs_from_env
from requests.exceptions import ConnectionError as NotConnected
from urllib3.exceptions import ReadTimeoutError

from launcher.errors import NoRuntime
from launcher.runtimes.docker.place import elsewhere


class EngineGone(NoRuntime, OSError):
    """Nobody answers where the engine was: it is restarted, or it has crashed."""


class EngineApi(docker.APIClient):
    """Says `EngineGone` wherever requests says that it cannot connect."""

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        try:
            return super().send(request, **options)
        except NotConnected as error:
            if error.args and isinstance(error.args[0], ReadTimeoutError):
                raise  # it is there, and slow
            raise EngineGone(
                "The Docker engine does not answer.",
                hint="It may be starting again. Sessions that run go on, and no work is lost.",
            ) from error


def connect(*, timeout: int, connections: int) -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST names, or of this machine's."""
    client = docker.from_env(timeout=timeout, max_pool_size=connections)
    client.api.close()
    client.api = EngineApi(
        version=client.api.api_version,
        timeout=timeout,
        max_pool_size=connections,
        **kwargs_from_env(),
    )
    # Proxies of the environment are for other machines; looking for them doubles a call's time.
    client.api.trust_env = elsewhere()
    return client
