"""How full a home folder is, and what takes the room. Its student may change it meanwhile, and may
mean to mislead: with endless depth, odd names, links that lead out, folders that move."""

from __future__ import annotations

import errno
import heapq
import io
import os
import stat
import subprocess
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 512
LONGEST = 20.0
"""Seconds for one look at a home."""
PATIENCE = 7.0
"""Seconds for a look that somebody waits for."""
HELD_OPEN = 1.0
"""Seconds for a look at what processes have open."""
NEARLY = 0.8
"""Of the limit: from here on the student is told."""
DEEPEST = 500
"""Folders that are held open at a time; a row of folders with one in each needs two."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK
"""How a folder of a student's is opened: what has come into its place is refused at once."""

CHANGING, SLOW, DEEP, UNREAD = "changing", "slow", "deep", "unread"
"""Why a look saw a part only: folders went away under its eyes, its time was up, folders in folders
without end; or this machine could not read, which is nobody's fault."""


@dataclass(frozen=True)
class Look:
    """What a look at a home saw; at least so much is there."""

    used: int
    """Bytes on the disk."""
    entries: int = 0
    """Files and folders."""
    trouble: str = ""
    """Why it is not all; empty where it is."""
    seconds: float = 0.0


@dataclass(frozen=True)
class File:
    """A file of a home, as it takes room."""

    path: str
    """Below the home."""
    size: int
    """Bytes on the disk: holes take none."""


def look(folder: Path, *, within: float = LONGEST) -> Look:
    """Everything below the folder, on its own disk; links are not followed."""
    began = time.monotonic()
    for last in (False, True):  # what somebody removes or renames once is still at the second time
        walk = Walk(began + within)
        try:
            walk.below(os.open(folder, FOLDER))
            trouble = DEEP if walk.deep else CHANGING if walk.lost else ""
        except TimeoutError:
            trouble = SLOW
        except OSError:
            trouble = UNREAD
        if last or trouble != CHANGING:
            break
    return Look(walk.used, walk.entries, trouble, time.monotonic() - began)


def used(folder: Path, *, within: float = LONGEST) -> int | None:
    """Bytes that the folder takes on its disk; None where that cannot be found out in time."""
    found = look(folder, within=within)
    return None if found.trouble else found.used


@dataclass
class Walk:
    """One way through a tree, by handles of its folders: a rename leads it nowhere else."""

    deadline: float
    used: int = 0
    entries: int = 0
    deep: bool = False
    lost: set[int] = field(default_factory=set)
    """Inodes of folders that were listed, and gone when they should be entered."""
    _entered: set[int] = field(default_factory=set)
    _linked: set[int] = field(default_factory=set)
    """Files of several names count once."""

    def below(self, root: int) -> None:
        """Count the folder of this handle, which is closed, with all below it.

        :raises TimeoutError: the deadline passed.
        :raises OSError: this machine could not read a folder.
        """
        stack: list[tuple[int, list[tuple[str, int]]]] = []
        found = os.fstat(root)
        device = found.st_dev
        self.used += found.st_blocks * BLOCK
        try:
            stack.append((root, []))
            stack[-1][1].extend(self._list(root, device))
            while stack:
                above, inner = stack[-1]
                handle = self._enter(above, *inner.pop(), device) if inner else None
                if not inner:
                    os.close(stack.pop()[0])
                if handle is not None:
                    stack.append((handle, []))
                    stack[-1][1].extend(self._list(handle, device))
                    if len(stack) > DEEPEST:
                        self.deep = True
                        os.close(stack.pop()[0])
        finally:
            for handle, _ in stack:
                os.close(handle)

    def _enter(self, above: int, name: str, inode: int, device: int) -> int | None:
        """A handle of the folder, once."""
        try:
            handle = os.open(name, FOLDER, dir_fd=above)
        except PermissionError:  # for root there is none
            return None
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                raise
            if inode not in self._entered:
                self.lost.add(inode)
            return None
        found = os.fstat(handle)
        if found.st_dev != device or found.st_ino in self._entered:
            os.close(handle)
            return None
        self._entered.add(found.st_ino)
        self.lost.discard(found.st_ino)
        return handle

    def _list(self, handle: int, device: int) -> Iterator[tuple[str, int]]:
        """Count what is in the folder; the folders among it, with their inodes."""
        with os.scandir(handle) as rows:
            for row in rows:
                if time.monotonic() > self.deadline:
                    raise TimeoutError
                try:
                    found = row.stat(follow_symlinks=False)
                except OSError:  # it has just gone, or has another name
                    if row.is_dir(follow_symlinks=False) and row.inode() not in self._entered:
                        self.lost.add(row.inode())
                    continue
                if found.st_dev != device or found.st_ino in self._linked:
                    continue
                self.entries += 1
                self.used += found.st_blocks * BLOCK
                if stat.S_ISDIR(found.st_mode):
                    yield row.name, found.st_ino
                elif found.st_nlink > 1:
                    self._linked.add(found.st_ino)


def held_open(processes: Collection[int]) -> dict[int, int]:
    """Bytes of deleted files that these processes have open or mapped, by the files' disk.

    No folder shows them, and they take their room until the last process lets go. Needs root, or
    the processes' own user; what cannot be read counts as nothing.
    """
    deadline = time.monotonic() + HELD_OPEN
    found: dict[tuple[int, int], int] = {}
    for path in every_open(processes):
        if time.monotonic() > deadline:
            break
        try:
            one = os.stat(path)
        except OSError:
            continue
        if one.st_nlink == 0 and stat.S_ISREG(one.st_mode):
            found[one.st_dev, one.st_ino] = one.st_blocks * BLOCK
    held: dict[int, int] = {}
    for (device, _), size in found.items():
        held[device] = held.get(device, 0) + size
    return held


def every_open(processes: Collection[int]) -> Iterator[str]:
    """Paths by which the files are reached that the processes have open, or mapped and deleted."""
    for pid in processes:
        try:
            with os.scandir(f"/proc/{pid}/fd") as rows:
                yield from (row.path for row in rows)
            with open(f"/proc/{pid}/maps", "rb") as maps:
                for line in maps:
                    if line.endswith(b" (deleted)\n"):
                        yield f"/proc/{pid}/map_files/{line.split(b' ', 1)[0].decode()}"
        except OSError:
            continue


def device_of(path: Path | str) -> int | None:
    """The disk on which the path is; None where that cannot be told."""
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def largest(folder: Path, count: int = 20) -> list[File]:
    """The files that take most room, the largest first."""
    return heapq.nlargest(count, every_file(folder), key=lambda one: (one.size, one.path))


def every_file(folder: Path) -> Iterator[File]:
    """All files below the folder but those of git, which nobody should remove one by one.

    Links are not followed. Ends after `PATIENCE` seconds.
    """
    command = ["timeout", f"{PATIENCE:.0f}", "find", str(folder), "-xdev"]
    command += ["-name", ".git", "-prune", "-o", "-type", "f", "-printf", r"%b\t%P\0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        said, rest = process.stdout or io.BytesIO(), b""
        while chunk := said.read(65536):
            *rows, rest = (rest + chunk).split(b"\0")
            for row in rows:
                blocks, _, path = row.partition(b"\t")
                yield File(path.decode("utf-8", "replace"), int(blocks) * BLOCK)
