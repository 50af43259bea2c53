"""What runs on this machine; the engine of the tests is this machine's, too."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


def runs(command: str) -> bool:
    """True while a process runs whose command begins so."""
    wanted = command.replace(" ", "\0").encode()
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if one.read_bytes().startswith(wanted):
                return True
    return False


@dataclass
class Process:
    """What a process uses now."""

    files: int
    threads: int
    memory: int
    """Bytes."""
    cpu: float
    """Seconds since it began."""

    @classmethod
    def of(cls, pid):
        place = Path("/proc", str(pid))
        return cls(
            len(os.listdir(place / "fd")),
            len(os.listdir(place / "task")),
            int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
            sum(map(int, (place / "stat").read_text().split()[13:17])) / os.sysconf("SC_CLK_TCK"),
        )
