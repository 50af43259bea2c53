"""What starts sessions. Only this package knows an engine."""

from __future__ import annotations

from collections.abc import Callable

from launcher.config import Config
from launcher.errors import NoRuntime
from launcher.people.identity import instance_of
from launcher.runtimes import docker, local
from launcher.runtimes.base import Runtime

RUNTIMES: dict[str, Callable[[Config, str], Runtime]] = {
    "docker": docker.create,
    "local": local.create,
}
"""Siblings; each is made from the settings and the data folder's own id."""


def choose_runtime(config: Config, secret: bytes) -> tuple[Runtime, str]:
    """The runtime that the settings name, and why it is this one, in a sentence.

    :raises NoRuntime: the named one cannot start sessions here.
    """
    instance = instance_of(secret, config.data)
    if config.runtime != "auto":
        runtime = RUNTIMES[config.runtime](config, instance)
        problem = runtime.health()
        if problem:
            raise NoRuntime(
                f"The runtime {config.runtime} cannot start sessions: {problem}",
                hint="Mend that, or set runtime: auto.",
            )
        return runtime, f"{config.runtime}, as the settings say"
    try:
        runtime = RUNTIMES["docker"](config, instance)
        problem = runtime.health()
    except NoRuntime as error:
        problem = error.message
    else:
        if not problem:
            return runtime, "docker, because an engine answers"
    runtime = RUNTIMES["local"](config, instance)
    worse = runtime.health()
    if worse:
        raise NoRuntime(f"No runtime works here. Docker: {problem} Local: {worse}")
    return runtime, f"local, for one trusted person or a demo, because: {problem}"
