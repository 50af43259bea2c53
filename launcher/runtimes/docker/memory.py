"""What containers use of memory, read from the kernel's own files: microseconds for each.

The engine's `stats` waits for a second sample by design; without one it still takes a call for
each container, and is only asked where the files are not this machine's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docker.errors import APIError

CGROUPS = Path("/sys/fs/cgroup")
PLACES = (
    "memory/docker/{id}",  # cgroup v1
    "memory/system.slice/docker-{id}.scope",  # v1, systemd driver
    "system.slice/docker-{id}.scope",  # v2, systemd driver
    "docker/{id}",  # v2
)
# https://docs.kernel.org/admin-guide/cgroup-v1/memory.html and cgroup-v2.html
NAMES = (("memory.usage_in_bytes", "total_inactive_file"), ("memory.current", "inactive_file"))


def memory_of(container_id: str, cgroups: Path = CGROUPS) -> int | None:
    """Bytes in use, without cached files that could go; None where the kernel shows no such group.

    That is what `docker stats` shows, and what counts for the limit.
    """
    for place in PLACES:
        folder = cgroups / place.format(id=container_id)
        for usage, cached in NAMES:
            with contextlib.suppress(OSError, ValueError):
                used = int((folder / usage).read_text())
                return max(0, used - number((folder / "memory.stat").read_text(), cached))
    return None


def kills_of(container_id: str, cgroups: Path = CGROUPS) -> int | None:
    """How many processes the kernel ended for want of memory; None where it does not say."""
    for place in PLACES:
        for file in ("memory.oom_control", "memory.events"):
            with contextlib.suppress(OSError, ValueError):
                return number(
                    (cgroups / place.format(id=container_id) / file).read_text(), "oom_kill"
                )
    return None


def number(stat: str, name: str) -> int:
    """The value of a line `name value`; 0 without one."""
    found = [line.split()[1] for line in stat.splitlines() if line.split(" ")[0] == name]
    return int(found[0]) if found else 0


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
