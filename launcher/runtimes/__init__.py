"""What starts sessions. Only this package knows an engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from envs.atomic import write_text
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

    A data folder whose sessions were containers stays with Docker: an engine that is away when
    the launcher starts comes back, with its sessions.

    :raises NoRuntime: the named one cannot start sessions here.
    """
    runtime, why = look(config, secret)
    remember(config.data, runtime.name)
    return runtime, why


def look(config: Config, secret: bytes) -> tuple[Runtime, str]:
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
    if remembered(config.data) == "docker":
        raise NoRuntime(
            f"Docker, which the sessions of {config.data} are of, cannot start any: {problem}",
            hint="Start it (systemctl start docker). To go on without it, set runtime: local.",
        )
    runtime = RUNTIMES["local"](config, instance)
    worse = runtime.health()
    if worse:
        raise NoRuntime(f"No runtime works here. Docker: {problem} Local: {worse}")
    return runtime, f"local, for one trusted person or a demo, because: {problem}"


def docker_answers(config: Config) -> bool:
    """True where an engine can start sessions."""
    try:
        return RUNTIMES["docker"](config, "").health() is None
    except NoRuntime:
        return False


def remembered(data: Path) -> str:
    """The name of the runtime that was last used with this data folder; empty for none."""
    file = data / "run" / "runtime"
    return file.read_text() if file.exists() else ""


def remember(data: Path, name: str) -> None:
    file = data / "run" / "runtime"
    if remembered(data) != name:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text(file, name)
