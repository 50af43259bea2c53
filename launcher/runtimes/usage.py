"""What the kernel's files of one control group say of its memory and processes, in any version."""

from __future__ import annotations

import contextlib
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
# https://docs.kernel.org/admin-guide/cgroup-v1/memory.html and cgroup-v2.html
NAMES = (("memory.usage_in_bytes", "total_inactive_file"), ("memory.current", "inactive_file"))
WANTED_MEMORY = "it needed more memory than it may use"
"""Why a session ended, for people."""
EVENTS = ("memory.oom_control", "memory.events")


def memory_in(folder: Path) -> int | None:
    """Bytes in use, without cached files that could go; None where there is no such group.

    That is what `docker stats` shows, and what counts for the limit.
    """
    for usage, cached in NAMES:
        with contextlib.suppress(OSError, ValueError):
            used = int((folder / usage).read_text())
            return max(0, used - number((folder / "memory.stat").read_text(), cached))
    return None


def kills_in(folder: Path) -> int | None:
    """How many processes the kernel ended for want of memory; None where it does not say."""
    for file in EVENTS:
        with contextlib.suppress(OSError, ValueError):
            return number((folder / file).read_text(), "oom_kill")
    return None


def processes_in(folder: Path) -> list[int] | None:
    """The processes of the group; None where there is no such group."""
    with contextlib.suppress(OSError, ValueError):
        return [int(one) for one in (folder / "cgroup.procs").read_text().split()]
    return None


def number(stat: str, name: str) -> int:
    """The value of a line `name value`; 0 without one."""
    found = [line.split()[1] for line in stat.splitlines() if line.split(" ")[0] == name]
    return int(found[0]) if found else 0
