"""The few mounts that slots are made of, by system calls: `mount` as a program takes longer."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import re
from pathlib import Path

READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC, REMOUNT = 1, 2, 4, 8, 32
BIND, SHARED = 4096, 1 << 20
AT_ONCE, DETACH, NO_FOLLOW = 0, 2, 8
MOUNTS = Path("/proc/self/mountinfo")
PASSING = "launcher-slot"
"""What a passing folder is mounted from, as lists of mounts show it."""


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
    _mount(PASSING, target, "tmpfs", NO_SUID | NO_DEVICES | NO_EXEC, options)


def forbid_writing(target: Path) -> None:
    """Make a passing folder read-only; busy while a file in it is open for writing.

    That is its whole file system: with `BIND` a container would go on writing, through a mount of
    its own. So it must never be the one of a home that was mounted over it: a handle cannot come to
    mean another mount.
    """
    handle = os.open(target, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if not is_passing(handle):
            raise OSError(errno.EINVAL, "another folder is mounted there", str(target))
        flags = REMOUNT | READ_ONLY | NO_SUID | NO_DEVICES | NO_EXEC
        _mount("", Path(f"/proc/self/fd/{handle}"), "", flags, "")
    finally:
        os.close(handle)


def is_passing(handle: int) -> bool:
    """True for a handle of a folder in a mount that `passing` made."""
    said = Path(f"/proc/self/fdinfo/{handle}").read_text()
    number = re.search(r"^mnt_id:\s*(\d+)$", said, re.MULTILINE)
    kind = ["-", "tmpfs", PASSING]
    return any(number and row[0] == number[1] and row[-4:-1] == kind for row in mounted())


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
    return [row[4] for row in mounted()]


def is_shared(target: Path) -> bool:
    """True where `target` is a mount whose later mounts propagate."""
    last = [row for row in mounted() if row[4] == str(target)]
    return bool(last) and any(one.startswith("shared:") for one in last[-1][6:])


def mounted() -> list[list[str]]:
    """The words of each row of the list of mounts, see proc_pid_mountinfo(5), oldest first."""
    rows = os.fsdecode(MOUNTS.read_bytes()).split("\n")
    return [[unescaped(word) for word in row.split(" ")] for row in rows if row]


def unescaped(word: str) -> str:
    """The kernel writes a space, and little else, as a backslash and three octal digits."""
    if "\\" not in word:  # nearly always
        return word
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), word)


def _mount(source: str, target: Path, kind: str, flags: int, options: str) -> None:
    words = (os.fsencode(source), os.fsencode(target), kind.encode())
    if _libc().mount(*words, ctypes.c_ulong(flags), options.encode() or None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


@functools.cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
