"""The few mounts that slots are made of, by system calls: `mount` as a program takes longer."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC, REMOUNT = 1, 2, 4, 8, 32
BIND, SHARED = 4096, 1 << 20
AT_ONCE, DETACH, NO_FOLLOW = 0, 2, 8
MOUNTS = Path("/proc/self/mountinfo")


def bind(source: str, target: Path) -> None:
    """Show the folder `source` at `target`, too.

    :raises OSError: as of every function here, with the system's reason.
    """
    _mount(source, target, "", BIND, "")


def make_shared(target: Path) -> None:
    """What is mounted below `target` appears wherever `target` is bound with propagation."""
    _mount("none", target, "", SHARED, "")


def passing(target: Path, *, owner: int, size: int) -> None:
    """A folder in memory of at most `size` bytes; it is gone once it is unmounted."""
    options = f"size={size},nr_inodes=64,mode=700,uid={owner},gid={owner}"
    _mount("launcher-slot", target, "tmpfs", NO_SUID | NO_DEVICES | NO_EXEC, options)


def forbid_writing(target: Path) -> None:
    """Make a passing folder read-only; busy while a file in it is open for writing."""
    _mount("", target, "", REMOUNT | READ_ONLY | NO_SUID | NO_DEVICES | NO_EXEC, "")


def unmount(target: Path) -> None:
    """Take away what is mounted last at `target`; where somebody is in it, once they left."""
    for how in (AT_ONCE, DETACH):
        if _libc().umount2(os.fsencode(target), how | NO_FOLLOW) == 0:
            return
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), str(target))


def mounts_at(target: Path) -> int:
    """How many mounts lie on top of each other at exactly this path."""
    return mount_points().count(str(target))


def mount_points() -> list[str]:
    """Where something is mounted, as this process sees it, oldest first."""
    rows = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    return [row.split()[4].encode().decode("unicode_escape") for row in rows]


def is_shared(target: Path) -> bool:
    """True where `target` is a mount whose later mounts propagate."""
    rows = (row.split() for row in MOUNTS.read_text("utf-8", "surrogateescape").splitlines())
    last = [row for row in rows if row[4].encode().decode("unicode_escape") == str(target)]
    return bool(last) and any(one.startswith("shared:") for one in last[-1][6:])


def _mount(source: str, target: Path, kind: str, flags: int, options: str) -> None:
    words = (os.fsencode(source), os.fsencode(target), kind.encode())
    if _libc().mount(*words, ctypes.c_ulong(flags), options.encode() or None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
