"""A student's folder as a zip, made while it is sent. No link in it is ever followed."""

from __future__ import annotations

import contextlib
import os
import stat
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PIECE = 1 << 20
"""Bytes that are read at a time."""
DEEPEST = 150
"""Folders in folders; each is held open on the way down."""
LEFT_OUT = "NOT-INCLUDED.txt"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# A student's pipe must not hold up the reader until somebody writes into it.
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class Outlet:
    """What the zip is written to: bytes that wait to be sent. It cannot go back."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing to do: `take` gets it."""

    def take(self) -> bytes:
        data, self._waiting = b"".join(self._waiting), []
        return data


@dataclass
class Download:
    """One folder on its way out."""

    home: Path
    name: str
    """The folder's name inside the zip."""
    _outlet: Outlet = field(default_factory=Outlet)
    _left_out: list[str] = field(default_factory=list)

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

    def _folder(self, archive: zipfile.ZipFile, handle: int, path: str) -> Iterator[bytes]:
        """Everything in the folder of this handle, which is closed in the end."""
        try:
            archive.writestr(entry(f"{path}/", os.fstat(handle)), b"")
            for name in sorted(os.listdir(handle)):
                inside = f"{path}/{printable(name)}"
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
            yield from self._file(archive, os.open(name, FILE, dir_fd=above), path)
        else:
            self._left_out.append(f"{path}: neither a file nor a folder")
        yield self._outlet.take()

    def _file(self, archive: zipfile.ZipFile, handle: int, path: str) -> Iterator[bytes]:
        with (
            open(handle, "rb") as file,
            archive.open(entry(path, os.fstat(handle)), "w", force_zip64=True) as target,
        ):
            while piece := file.read(PIECE):
                target.write(piece)
                yield self._outlet.take()


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
