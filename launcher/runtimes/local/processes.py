"""Processes by id and start time, so that a reused id is never taken for a session."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def start_time(pid: int) -> int | None:
    """When the process started, in ticks since boot; None for none and for a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # a child of ours that ended is a zombie until then
    try:
        # proc(5): the name in parentheses may hold anything, so count from behind it.
        rest = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return None if rest[0] in "ZX" else int(rest[19])


def tree(pid: int) -> list[int]:
    """The process and all its descendants, children first."""
    return descendants(pid, children_of_all())


def children_of_all() -> dict[int, list[int]]:
    """The children of every process of this machine."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    return children


def memory_of_trees(roots: Mapping[str, int]) -> dict[str, int]:
    """Resident bytes of each process with its descendants; pages that two share count twice."""
    children, page = children_of_all(), os.sysconf("SC_PAGE_SIZE")
    found = {}
    for name, root in roots.items():
        total = 0
        for pid in descendants(root, children):
            with contextlib.suppress(OSError, ValueError, IndexError):
                total += page * int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        found[name] = total
    return found


def descendants(pid: int, children: Mapping[int, Sequence[int]]) -> list[int]:
    """The process and all below it, children first."""
    found, todo = [], [pid]
    while todo:
        here = todo.pop()
        found.append(here)
        todo += children.get(here, [])
    return found[::-1]


def stop_tree(pid: int, started: int, *, patience: float = 3.0) -> None:
    """End the process and everything it started: politely, then for certain."""
    if start_time(pid) != started:
        return
    every = tree(pid)
    send(every, signal.SIGTERM)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and start_time(pid) == started:
        time.sleep(0.05)
    if start_time(pid) == started:
        every = tree(pid)
    send(every, signal.SIGKILL)
    for _ in range(100):
        if start_time(pid) != started:
            return
        time.sleep(0.02)


def send(pids: list[int], what: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)
