"""What containers use of memory, read from the kernel's own files: microseconds for each; and which
processes they have.

The engine's `stats` waits for a second sample by design; without one it still takes a call for
each container, and is only asked where the files are not this machine's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from docker.errors import APIError

from launcher.runtimes.usage import CGROUPS, NAMES, kills_in, memory_in, processes_in

Found = TypeVar("Found")

PLACES = (
    "memory/docker/{id}",  # cgroup v1
    "memory/system.slice/docker-{id}.scope",  # v1, systemd driver
    "system.slice/docker-{id}.scope",  # v2, systemd driver
    "docker/{id}",  # v2
)


def memory_of(container_id: str, cgroups: Path = CGROUPS) -> int | None:
    """As `memory_in`, for a container of an engine on this machine."""
    return first(memory_in, container_id, cgroups)


def kills_of(container_id: str, cgroups: Path = CGROUPS) -> int | None:
    """As `kills_in`, for a container of an engine on this machine."""
    return first(kills_in, container_id, cgroups)


def processes_of(container_id: str, cgroups: Path = CGROUPS) -> list[int] | None:
    """As `processes_in`, for a container of an engine on this machine."""
    return first(processes_in, container_id, cgroups)


def first(look: Callable[[Path], Found | None], container_id: str, cgroups: Path) -> Found | None:
    """What the first place says that there is."""
    found = (look(cgroups / place.format(id=container_id)) for place in PLACES)
    return next((one for one in found if one is not None), None)


def memory_by_engine(client: Any, container_id: str) -> int | None:
    """The same by one call to the engine, for one on another machine."""
    with contextlib.suppress(APIError, KeyError, TypeError):
        stats = client.api.stats(container_id, stream=False, one_shot=True)["memory_stats"]
        cached = [stats["stats"].get(name) for _, name in NAMES]
        return max(0, int(stats["usage"]) - int(next((one for one in cached if one), 0)))
    return None


def memory_of_all(client: Any, rows: Iterable[dict[str, Any]], *, here: bool) -> dict[str, int]:
    """Bytes by session, for the engine's rows of running containers."""
    found = {}
    for row in rows:
        used = memory_of(row["Id"]) if here else None
        if used is None:
            used = memory_by_engine(client, row["Id"])
        if used is not None:
            found[row["Labels"]["launcher.session"]] = used
    return found
