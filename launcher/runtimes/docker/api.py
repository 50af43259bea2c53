"""The engine's API as docker-py speaks it, with an engine that is gone told apart."""

from __future__ import annotations

import logging
import threading
import time
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

log = logging.getLogger(__name__)

QUICK = 15.0
"""Seconds for a list or a look at one thing; milliseconds are usual, seconds under load."""
REGISTRY = 60.0
"""Seconds until the engine tells what a registry says of an image; it asks one that may be far."""


CONNECTIONS = 128
"""Kept open: more than threads ask at once in a class that clicks. Each launch is one, and one that
finds no place would make a connection for every call, and throw it away with a warning."""
SETTLED = 3.0
"""Seconds after a failure in which an answer says little: an engine that ends gives both."""


class EngineGone(NoRuntime, OSError):
    """Nobody answers where the engine was: it is restarted, or it has crashed."""


class EngineSlow(NoRuntime, ReadTimeout):
    """It is there, and does not say in time what it knows."""


class EngineApi(docker.APIClient):
    """Says `EngineGone` wherever requests says that it cannot connect.

    A question for what the engine knows anyway has `QUICK` seconds: an engine that hangs must not
    hold a thread of the app for as long as a start may take. One that it asks a registry first has
    `REGISTRY` seconds, and says nothing of the engine where they are not enough. The log has one
    line when the engine stops answering, however many threads ask it, and one when it answers
    again.
    """

    _well: bool | None = None
    """True while it answers; None before it was ever heard."""
    _failed: float = 0.0
    """Monotonic seconds of the last failure."""
    _guard = threading.Lock()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        path = urlsplit(request.url or "").path
        asks = request.method == "GET" and path.endswith("/json")
        quick = asks and "/distribution/" not in path
        if asks:
            longest = QUICK if quick else REGISTRY
            options["timeout"] = min(float(options.get("timeout") or longest), longest)
        try:
            answer = super().send(request, **options)
            self._answered()
            return answer
        except ReadTimeout as error:
            if not quick:
                raise
            raise EngineSlow(
                self._failing("The Docker engine does not answer in time."),
                hint="It may be busy. Sessions that run go on, and no work is lost.",
            ) from error
        except NotConnected as error:
            if error.args and isinstance(error.args[0], ReadTimeoutError):
                raise  # it is there, and slow
            raise EngineGone(
                self._failing("The Docker engine does not answer."),
                hint="It may be starting again. Sessions that run go on, and no work is lost.",
            ) from error

    def _failing(self, why: str) -> str:
        """The same sentence, which is logged where it is news: not to who never had an answer."""
        with self._guard:
            self._failed = time.monotonic()
            before = self._well
            self._well = None if before is None else False
        if before:
            log.warning("%s Until it does, nothing is started, watched or stopped.", why)
        return why

    def _answered(self) -> None:
        if self._well or (self._well is False and time.monotonic() - self._failed < SETTLED):
            return
        with self._guard:
            before, self._well = self._well, True
        if before is False:
            log.info("The Docker engine answers again.")


def connect(*, timeout: int) -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST names, or of this machine's."""
    client = docker.from_env(timeout=timeout, max_pool_size=CONNECTIONS)
    client.api.close()
    client.api = EngineApi(
        version=client.api.api_version,
        timeout=timeout,
        max_pool_size=CONNECTIONS,
        **kwargs_from_env(),
    )
    # Proxies of the environment are for other machines; looking for them doubles a call's time.
    client.api.trust_env = elsewhere()
    return client
