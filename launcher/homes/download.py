"""A student's folder as a zip, made while it is sent. No link in it is ever followed."""

from __future__ import annotations

import contextlib
import os
import stat
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from launcher.homes.disk import BLOCK, FOLDER

PIECE = 1 << 20
"""Bytes that are read at a time."""
DEEPEST = 150
"""Folders in folders; each is held open on the way down."""
ENTRIES = 200_000
"""Files and folders in one zip, which holds a row of each in memory until its end."""
HOLES = 1 << 30
"""Bytes of files' holes in one zip: they take no room on the disk, and would be sent in full."""
STEPS = 10_000
"""Holes of one file that are looked for one by one."""
LONGEST = 2 * 3600.0
"""Seconds that one download may take."""
PATIENT, SLOWEST = 600.0, 50_000
"""Seconds after which a download has to have so many bytes each second."""
LEFT_OUT = "NOT-INCLUDED.txt"
# A student's pipe must not hold up the reader until somebody writes into it.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class Outlet:
    """What the zip is written to: bytes that wait to be sent. It cannot go back."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self.sent = 0
        """Bytes that were taken."""

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do: `take` gets it."""

    def take(self) -> bytes:
        data, self._waiting = b"".join(self._waiting), []
        self.sent += len(data)
        return data


@dataclass
class Download:
    """One folder on its way out."""

    home: Path
    name: str
    """The folder's name inside the zip."""
    _outlet: Outlet = field(default_factory=Outlet)
    _left_out: list[str] = field(default_factory=list)
    _entries: int = 0
    _holes: int = 0
    _began: float = field(default_factory=time.monotonic)

    def pieces(self) -> Iterator[bytes]:
        """The zip, in pieces of about `PIECE` bytes at most; what cannot be read is listed in it.

        :raises OSError: the folder itself cannot be opened.
        """
        root = os.open(self.home, FOLDER)
        how = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(self._outlet, "w", how, compresslevel=1) as archive:  # type: ignore[call-overload]
            yield from self._folder(archive, root, self.name)
            if self._left_out:
                archive.writestr(f"{self.name}/{LEFT_OUT}", "\n".join(self._left_out) + "\n")
        yield self._outlet.take()

    def _is_late(self) -> bool:
        took = time.monotonic() - self._began
        return took > LONGEST or took > PATIENT + self._outlet.sent / SLOWEST

    def _why_full(self) -> str:
        """Why nothing more comes into the zip; empty while it does."""
        if self._entries >= ENTRIES:
            return f"the zip has {ENTRIES:,} files and folders, the most of all"
        return "the download took too long" if self._is_late() else ""

    def _folder(self, archive: zipfile.ZipFile, handle: int, path: str) -> Iterator[bytes]:
        """Everything in the folder of this handle, which is closed in the end."""
        try:
            archive.writestr(entry(f"{path}/", os.fstat(handle)), b"")
            with os.scandir(handle) as rows:
                names = sorted(row.name for row in islice(rows, ENTRIES + 1 - self._entries))
            for name in names:
                inside = f"{path}/{printable(name)}"
                if why := self._why_full():
                    self._left_out.append(f"{inside} and what follows it: {why}")
                    break
                self._entries += 1
                try:
                    yield from self._one(archive, handle, name, inside)
                except OSError as error:
                    self._left_out.append(f"{inside}: {error.strerror}")
        finally:
            os.close(handle)

    def _one(self, archive: zipfile.ZipFile, above: int, name: str, path: str) -> Iterator[bytes]:
        found = os.stat(name, dir_fd=above, follow_symlinks=False)
        if path.count("/") > DEEPEST:
            self._left_out.append(f"{path}: too many folders deep")
        elif stat.S_ISDIR(found.st_mode):
            yield from self._folder(archive, os.open(name, FOLDER, dir_fd=above), path)
        elif stat.S_ISLNK(found.st_mode):
            target = os.readlink(name, dir_fd=above)
            archive.writestr(entry(path, found), os.fsencode(target))
        elif stat.S_ISREG(found.st_mode):
            opened = os.open(name, FILE, dir_fd=above)
            holes = holes_of(opened, os.fstat(opened))
            if self._holes + holes > HOLES:
                os.close(opened)
                self._left_out.append(
                    f"{path}: it is mostly holes, and would be sent in full; a backup of the "
                    "server has it"
                )
            else:
                self._holes += holes
                yield from self._file(archive, opened, path)
        else:
            self._left_out.append(f"{path}: neither a file nor a folder")
        yield self._outlet.take()

    def _file(self, archive: zipfile.ZipFile, handle: int, path: str) -> Iterator[bytes]:
        with (
            open(handle, "rb") as file,
            archive.open(entry(path, found := os.fstat(handle)), "w", force_zip64=True) as target,
        ):
            left = found.st_size  # what somebody goes on adding meanwhile has no end
            while left > 0 and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                target.write(piece)
                yield self._outlet.take()
                if left > 0 and self._is_late():
                    self._left_out.append(f"{path}: not to its end: the download took too long")
                    break


def holes_of(handle: int, found: os.stat_result) -> int:
    """Bytes of the file that are in holes.

    A disk that packs its files has fewer blocks, too: so large ones are looked for themselves.
    """
    guess = found.st_size - found.st_blocks * BLOCK
    if guess < PIECE:
        return max(0, guess)
    holes = at = 0
    for _ in range(STEPS):
        if at >= found.st_size:
            break
        try:
            start = os.lseek(handle, at, os.SEEK_DATA)
        except OSError:  # no more data
            holes += found.st_size - at
            break
        holes += min(start, found.st_size) - at
        at = os.lseek(handle, start, os.SEEK_HOLE)
    else:
        return guess
    os.lseek(handle, 0, os.SEEK_SET)
    return holes


def entry(path: str, found: os.stat_result) -> zipfile.ZipInfo:
    """The zip's own row of a file, with its rights and its time, as far as a zip can say that."""
    at = (1980, 1, 1, 0, 0, 0)
    with contextlib.suppress(ValueError, OverflowError, OSError):
        at = max(at, time.localtime(found.st_mtime)[:6])
    info = zipfile.ZipInfo(path, min(at, (2107, 12, 31, 23, 59, 58)))
    info.external_attr = (found.st_mode & 0xFFFF) << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def printable(name: str) -> str:
    """A name that any zip can hold; bytes that are no text are shown as such."""
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace("\\", "_")
