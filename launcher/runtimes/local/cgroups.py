"""Limits of sessions by the kernel's control groups: one for each session, below one folder.

Both versions of cgroups are known; their files are described in
https://docs.kernel.org/admin-guide/cgroup-v1/ and cgroup-v2.html.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.runtimes.local.processes import send
from launcher.runtimes.usage import CGROUPS
from launcher.session import Limits, new_session_id

log = logging.getLogger(__name__)

FOLDER = "launcher"
CONTROLLERS = {"memory": "memory", "cpu": "CPU", "pids": "processes"}
"""What limits what, by the kernel's name."""
PERIOD = 100_000
"""Microseconds over which the kernel counts CPU time."""
LEAST = 1000
"""Microseconds of a period, the least that the kernel takes."""
SWAP = ("memory.memsw.limit_in_bytes", "memory.swap.max")
"""Files that a kernel without swap accounting does not have."""
# The limits hold for everything that the command starts, and from its first instant.
JOIN = 'while [ "$1" != -- ]; do echo $$ > "$1" || exit; shift; done; shift; exec "$@"'
PATIENCE = 5.0
"""Seconds in which the kernel ends what it was told to kill."""
PROBE = Limits(memory=64 * 1024**2, cpus=1.0, processes=16)


@dataclass(frozen=True)
class Cgroups:
    """The groups of one launcher's sessions; `find_cgroups` says what works here."""

    instance: str
    """Of one data folder: two launchers on one machine leave each other's groups alone."""
    root: Path = CGROUPS
    kept: tuple[str, ...] = ()
    """The controllers that this machine lets us use."""
    why: str = ""
    """Why not all of them."""

    @property
    def unified(self) -> bool:
        """True for version 2, where one folder has the files of all controllers."""
        return (self.root / "cgroup.controllers").exists()

    def folder(self, session_id: str, controller: str) -> Path:
        base = self.root if self.unified else self.root / controller
        return base / FOLDER / f"{self.instance}-{session_id}"

    def folders(self, session_id: str) -> list[Path]:
        """The session's folders: one, or in version 1 one for each controller."""
        return sorted({self.folder(session_id, one) for one in self.kept})

    def make(self, session_id: str, limits: Limits) -> None:
        """Make the session's group.

        :raises OSError: the kernel refuses; what is left of it is for `remove`.
        """
        for controller in self.kept:
            folder = self.folder(session_id, controller)
            folder.parent.mkdir(exist_ok=True)
            if self.unified:  # a group has the controllers that those above it hand down
                for above in (self.root, folder.parent):
                    (above / "cgroup.subtree_control").write_text(f"+{controller}")
            folder.mkdir(exist_ok=True)
            for name, value in settings_of(controller, limits, unified=self.unified).items():
                if name not in SWAP or (folder / name).exists():
                    (folder / name).write_text(value)

    def joined(self, session_id: str, command: Sequence[str]) -> list[str]:
        """The argv that runs the command within the session's limits, where it has such."""
        files = [f"{one}/cgroup.procs" for one in self.folders(session_id) if one.is_dir()]
        return ["/bin/sh", "-c", JOIN, "join", *files, "--", *command] if files else [*command]

    def remove(self, session_id: str) -> bool:
        """End what still runs in the group and remove it; False where the kernel refuses."""
        deadline = time.monotonic() + PATIENCE
        while left := [one for one in self.folders(session_id) if one.is_dir()]:
            for folder in left:
                send(processes_in(folder), signal.SIGKILL)
                with contextlib.suppress(OSError):  # busy until the last of them is gone
                    folder.rmdir()
            if time.monotonic() > deadline:
                log.warning("a control group stays", extra={"session_id": session_id})
                return False
            time.sleep(0.01)
        return True

    def sessions(self) -> set[str]:
        """The sessions that have a group."""
        return {
            path.name.removeprefix(f"{self.instance}-")
            for one in self.kept
            for path in self.folder("*", one).parent.glob(f"{self.instance}-*")
        }


def settings_of(controller: str, limits: Limits, *, unified: bool) -> Mapping[str, str]:
    """What to write into which file, in this order; nothing where there is no limit. No I/O here.

    As in containers, swap is part of the memory, and of no use beyond it.
    """
    quota = max(LEAST, int(limits.cpus * PERIOD))
    memory, most = str(limits.memory), str(limits.processes)
    if controller == "memory":
        names = ("memory.max", "memory.swap.max") if unified else (
            "memory.limit_in_bytes", "memory.memsw.limit_in_bytes")  # fmt: skip
        values = (memory, "0" if unified else memory)
        return dict(zip(names, values, strict=True)) if limits.memory else {}
    if controller == "pids":
        return {"pids.max": most} if limits.processes else {}
    if not limits.cpus:
        return {}
    if unified:
        return {"cpu.max": f"{quota} {PERIOD}"}
    return {"cpu.cfs_period_us": str(PERIOD), "cpu.cfs_quota_us": str(quota)}


def processes_in(folder: Path) -> list[int]:
    """The processes of a group; those that this one cannot see have no id."""
    with contextlib.suppress(OSError):
        return [int(pid) for pid in (folder / "cgroup.procs").read_text().split() if int(pid)]
    return []


def find_cgroups(instance: str, root: Path = CGROUPS) -> Cgroups:
    """Try each controller once, as a session would use it."""
    kept, why = [], ""
    for controller in CONTROLLERS:
        one, probe = Cgroups(instance, root, (controller,)), new_session_id()
        try:
            one.make(probe, PROBE)
            subprocess.run(one.joined(probe, ["true"]), check=True, capture_output=True, timeout=10)
            kept.append(controller)
        except (OSError, subprocess.SubprocessError) as error:
            said = error.strerror if isinstance(error, OSError) else "it lets no process in"
            why = why or f"{controller}: {said}"
        finally:
            one.remove(probe)
    return Cgroups(instance, root, tuple(kept), why)
