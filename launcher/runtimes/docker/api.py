"""The engine's API as docker-py speaks it, with an engine that is gone told apart."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import docker
import requests
from docker.utils import kwargs_from_env
from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import ReadTimeout
from urllib3.exceptions import ReadTimeoutError

from launcher.errors import NoRuntime
from launcher.runtimes.docker.place import elsewhere

QUICK = 15.0
"""Seconds for a list or a look at one thing; milliseconds are usual, seconds under load."""


class EngineGone(NoRuntime, OSError):
    """Nobody answers where the engine was: it is restarted, or it has crashed."""


class EngineSlow(NoRuntime, ReadTimeout):
    """It is there, and does not say in time what it knows."""


class EngineApi(docker.APIClient):
    """Says `EngineGone` wherever requests says that it cannot connect.

    A question for what the engine knows anyway has `QUICK` seconds: an engine that hangs must not
    hold a thread of the app for as long as a start may take.
    """

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        quick = request.method == "GET" and urlsplit(request.url or "").path.endswith("/json")
        if quick:
            options["timeout"] = min(float(options.get("timeout") or QUICK), QUICK)
        try:
            return super().send(request, **options)
        except ReadTimeout as error:
            if not quick:
                raise
            raise EngineSlow(
                "The Docker engine does not answer in time.",
                hint="It may be busy. Sessions that run go on, and no work is lost.",
            ) from error
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
