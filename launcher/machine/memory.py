"""What this machine has, as the kernel says it."""

from __future__ import annotations

from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def memory() -> tuple[int, int]:
    """All memory, and what could be given to programs now without swapping; bytes."""
    rows = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
    total, free = (int(rows[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable"))
    return total, free
