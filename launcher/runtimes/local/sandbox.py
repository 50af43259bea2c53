"""What a session on this machine can see: bubblewrap's argv, and whether it works here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.session import HOME_IN_SESSION

FIRST_UID = 200_000
"""As root, every student gets a user id of their own from here on."""
SYSTEM = ("/usr", "/etc")
LINKS = ("bin", "lib", "lib64", "sbin")
# The container engine's names and the launcher's secrets stay outside; only these come along.
KEPT = ("LANG", "LC_ALL", "TZ")
OPEN = ("/tmp", "/dev/shm")
"""Folders in memory that everybody in the sandbox can write to."""
NOTHING: Mapping[str, int] = {}
# By their full paths, which sandboxes have, too: what a student or an environment calls `setpriv`
# must never run while there is a privilege to give up, nor what they call `prlimit` as the limit.
SETPRIV, PRLIMIT, CHOOM, ENV = (
    f"/usr/bin/{name}" for name in ("setpriv", "prlimit", "choom", "env")
)
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of all that runs before a session's privileges are dropped."""


@dataclass(frozen=True)
class Sandbox:
    """How commands of sessions run on this machine."""

    bwrap: str = ""
    """Path of bubblewrap; empty where it does not work."""
    own_uids: bool = False
    """True for root: each student's processes have a user id of their own."""
    why: str = ""
    """Why there is no bubblewrap."""

    def home(self, folder: Path) -> str:
        """The student's folder, as the session sees it."""
        return HOME_IN_SESSION if self.bwrap else str(folder)

    def command(
        self,
        command: Sequence[str],
        *,
        home: Path,
        uid: int,
        variables: Mapping[str, str],
        limit: Sequence[str] = (),
        read: Sequence[Path] = (),
        write: Sequence[Path] = (),
        chdir: str = "",
        memory: Mapping[str, int] = NOTHING,
    ) -> list[str]:
        """The argv that runs `command` for one student. No I/O here.

        `variables` are what students and environments have a say in: PATH, and what an environment
        sets, LD_PRELOAD maybe. Only the command meets them. `limit` runs before, with no privilege
        any more. `memory` names folders that are in memory, with the bytes that they may hold.

        As root, bubblewrap itself stays root while it mounts, so that nothing on the way to the
        student's folder need be open to others; then setpriv gives up every privilege.
        """
        told = [f"{name}={value}" for name, value in variables.items()]
        drop: list[str] = []
        if self.own_uids:
            ids = [f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs"]
            drop = [SETPRIV, *ids, "--inh-caps=-all", "--bounding-set=-all", "--"]
        if not self.bwrap:
            return [*drop, *limit, ENV, *told, *command]
        argv = [self.bwrap]
        for folder in SYSTEM:
            argv += ["--ro-bind", folder, folder]
        for name in LINKS:
            argv += ["--symlink", f"usr/{name}", f"/{name}"]
        argv += ["--proc", "/proc", "--dev", "/dev"]
        for folder in OPEN:
            size = memory.get(folder, 0)
            argv += [*(["--size", str(size)] if size else []), "--perms", "1777", "--tmpfs", folder]
        argv += ["--tmpfs", "/home", "--bind", str(home), HOME_IN_SESSION]
        for parent in parents([*read, *write]):
            # Without this bubblewrap makes them for root only.
            argv += ["--perms", "0755", "--dir", parent]
        for path in read:
            argv += ["--ro-bind", str(path), str(path)]
        for path in write:
            argv += ["--bind", str(path), str(path)]
        for folder in ("/home", "/dev", "/"):  # in memory, too, and without a size
            argv += ["--remount-ro", folder]
        argv += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--new-session"]
        argv += ["--cap-drop", "ALL"]
        if self.own_uids:
            for cap in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                argv += ["--cap-add", cap]
        else:
            argv.append("--unshare-user")
        # Only the student may enter the folder, so the way into it comes after the drop.
        enter = [ENV, f"--chdir={chdir or HOME_IN_SESSION}", *told]
        return [*argv, "--chdir", "/", "--", *drop, *limit, *enter, *command]

    def environment(self, home: Path, extra: Mapping[str, str]) -> dict[str, str]:
        """What a session's processes begin with: nothing of the launcher's own, the system's PATH.

        Programs meet it while they are root: what others have a say in is for `command`.
        """
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {
            "LANG": "C.UTF-8",
            **kept,
            "HOME": self.home(home),
            "USER": "jovyan",
            "SHELL": "/bin/bash",
            "NB_USER": "jovyan",
            **extra,
            "PATH": SYSTEM_PATH,
        }


def parents(paths: Sequence[Path]) -> list[str]:
    """Every folder above the paths that the sandbox does not have anyway, outermost first."""
    every = {str(parent) for path in paths for parent in path.parents}
    there = {"/", "/tmp", "/home"}
    return sorted(p for p in every - there if not p.startswith(("/usr", "/etc")))


def find_sandbox() -> Sandbox:
    """Try bubblewrap once, as a session would use it."""
    own_uids = os.geteuid() == 0
    if own_uids and not os.access(SETPRIV, os.X_OK):
        return Sandbox(own_uids=own_uids, why=f"there is no {SETPRIV} (package util-linux)")
    found = shutil.which("bwrap")
    if not found:
        return Sandbox(own_uids=own_uids, why="bubblewrap is not installed (package bubblewrap)")
    candidate = Sandbox(bwrap=found, own_uids=own_uids)
    probe = candidate.command(["true"], home=Path("/tmp"), uid=FIRST_UID, variables={})
    env = candidate.environment(Path("/tmp"), {})
    try:
        done = subprocess.run(probe, env=env, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Sandbox(own_uids=own_uids, why=f"bubblewrap does not run: {error}")
    if done.returncode:
        return Sandbox(own_uids=own_uids, why=f"bubblewrap does not run: {done.stderr.strip()}")
    return candidate
