"""The student's files: looked at without following links, changed by rename only."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Container
from typing import NamedTuple, Optional, Protocol

LONGEST_NAME = 255


class Found(NamedTuple):
    """What is at a path now."""

    kind: str
    """`file`, `link`, `folder` or `other`."""
    executable: bool
    oid: str
    """The id that git gives to the content; empty for a folder."""
    stamp: object
    """Differs when the file has been written to since."""


class Before(Protocol):
    """Who is told before a file of the student's is changed: a snapshot."""

    def keep(self, work: Work, path: bytes) -> None: ...

    def moved(self, path: bytes, new: bytes) -> None: ...


class Work:
    """One folder; paths are bytes below it, as git has them."""

    def __init__(self, root: bytes, temp: bytes, oid_length: int = 40) -> None:
        self.root = root
        self.temp = temp
        """On the same filesystem, so that a finished file appears by rename."""
        self.before: Optional[Before] = None
        self._hash = "sha256" if oid_length == 64 else "sha1"

    def full(self, path: bytes) -> bytes:
        return os.path.join(self.root, path)

    def in_the_way(self, path: bytes) -> bytes | None:
        """The nearest part above `path` that exists and is no real folder: a file or a link."""
        parts = path.split(b"/")
        for length in range(1, len(parts)):
            above = b"/".join(parts[:length])
            try:
                mode = os.lstat(self.full(above)).st_mode
            except (FileNotFoundError, NotADirectoryError):
                return None
            if not stat.S_ISDIR(mode):
                return above
        return None

    def is_missing(self, path: bytes) -> bool:
        """True when nothing stands there; an empty folder holds no work, so it gives way."""
        full = self.full(path)
        try:
            if self.in_the_way(path) is not None or not os.path.lexists(full):
                return True
            if not stat.S_ISDIR(os.lstat(full).st_mode):
                return False
            os.rmdir(full)
        except OSError:
            return False
        return True

    def exists(self, path: bytes) -> bool:
        """True when something is there; what lies behind a link does not count."""
        return self.in_the_way(path) is None and os.path.lexists(self.full(path))

    def look(self, path: bytes) -> Found | None:
        """What is there now, with its content's id; None for nothing."""
        if self.in_the_way(path):
            return None
        try:
            about = os.lstat(self.full(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        stamp = (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        if stat.S_ISDIR(about.st_mode):
            return Found("folder", False, "", stamp)
        if stat.S_ISLNK(about.st_mode):
            return Found("link", False, self.oid_of(os.readlink(self.full(path))), stamp)
        if not stat.S_ISREG(about.st_mode):
            return Found("other", False, "", stamp)
        return Found("file", bool(about.st_mode & 0o100), self._oid_of_file(path, about), stamp)

    def same(self, path: bytes, found: Found | None) -> bool:
        """True when nothing was written there since `found`: a notebook may be saved meanwhile."""
        try:
            about = os.lstat(self.full(path))
        except (FileNotFoundError, NotADirectoryError):
            return found is None
        stamp = (about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        return found is not None and found.stamp == stamp

    def oid_of(self, data: bytes) -> str:
        made = hashlib.new(self._hash, b"blob %d\0" % len(data))
        made.update(data)
        return made.hexdigest()

    def _oid_of_file(self, path: bytes, about: os.stat_result) -> str:
        made = hashlib.new(self._hash, b"blob %d\0" % about.st_size)
        with self._open(path) as file:
            for chunk in iter(lambda: file.read(1 << 20), b""):
                made.update(chunk)
        return made.hexdigest()

    def read(self, path: bytes) -> bytes:
        with self._open(path) as file:
            return bytes(file.read())

    def _open(self, path: bytes):  # type: ignore[no-untyped-def]  # BufferedReader, 3.8 typing
        full = self.full(path)
        try:
            return open(full, "rb")
        except PermissionError:  # the student took their own right to read it away
            mode = stat.S_IMODE(os.lstat(full).st_mode)
            os.chmod(full, mode | 0o400)
            try:
                return open(full, "rb")
            finally:
                os.chmod(full, mode)

    def write(self, path: bytes, data: bytes, *, mode: bytes, durable: bool = False) -> None:
        """Put a file or link there at once; parents must be real folders or missing."""
        handle, made = tempfile.mkstemp(dir=self.temp)
        try:
            with os.fdopen(handle, "wb") as file:
                if mode != b"120000":
                    file.write(data)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
            if mode == b"120000":
                os.unlink(made)
                os.symlink(data, made)
            else:
                os.chmod(made, self.permissions(path, executable=mode == b"100755"))
            if self.before:
                self.before.keep(self, path)
            self._rename(made, path)
        except BaseException:
            if os.path.lexists(made):
                os.unlink(made)
            raise

    def permissions(self, path: bytes, *, executable: bool) -> int:
        """Those of the file that is replaced, or what the umask leaves of a new one."""
        try:
            about = os.lstat(self.full(path))
            now = stat.S_IMODE(about.st_mode) if stat.S_ISREG(about.st_mode) else None
        except OSError:
            now = None
        if now is None:
            mask = os.umask(0)
            os.umask(mask)
            now = 0o666 & ~mask
        readable = (now & 0o444) >> 2
        return (now & 0o666) | (readable if executable else 0)

    def _rename(self, made: bytes, path: bytes) -> None:
        full = self.full(path)
        parent = os.path.dirname(full)
        os.makedirs(parent, exist_ok=True)
        try:
            os.replace(made, full)
        except PermissionError:
            os.chmod(parent, stat.S_IMODE(os.lstat(parent).st_mode) | 0o700)
            os.replace(made, full)

    def remove(self, path: bytes) -> None:
        """Remove a file or link, and the folders that it leaves empty."""
        if self.before:
            self.before.keep(self, path)
        full = self.full(path)
        try:
            os.unlink(full)
        except PermissionError:
            parent = os.path.dirname(full)
            os.chmod(parent, stat.S_IMODE(os.lstat(parent).st_mode) | 0o700)
            os.unlink(full)
        above = os.path.dirname(path)
        while above:
            try:
                os.rmdir(self.full(above))
            except OSError:
                return
            above = os.path.dirname(above)

    def set_executable(self, path: bytes, executable: bool) -> None:
        os.chmod(self.full(path), self.permissions(path, executable=executable))

    def move_aside(self, path: bytes, label: str, taken: Container[bytes]) -> bytes:
        """Rename what is there to a name that is free; the new path.

        `os.link` and `os.mkdir` refuse a name that exists, where a rename would overwrite it.
        """
        new = self._move_aside(path, label, taken)
        if self.before:
            self.before.moved(path, new)
        return new

    def _move_aside(self, path: bytes, label: str, taken: Container[bytes]) -> bytes:
        full = self.full(path)
        folder = stat.S_ISDIR(os.lstat(full).st_mode)
        while True:
            new = self.free_name(path, label, taken, folder=folder)
            try:
                if folder:
                    os.mkdir(self.full(new))
                    os.rename(full, self.full(new))  # over the empty folder of our own
                else:
                    os.link(full, self.full(new), follow_symlinks=False)
                    os.unlink(full)
                return new
            except FileExistsError:
                continue
            except OSError:  # a filesystem without hard links
                os.rename(full, self.full(new))
                return new

    def free_name(
        self, path: bytes, label: str, taken: Container[bytes], *, folder: bool = False
    ) -> bytes:
        """`name (label).ext`, or `name (label 2).ext` and so on: what does not exist yet."""
        above, name = os.path.split(path)
        stem, ending = (name, b"") if folder else os.path.splitext(name)
        number = 1
        while True:
            text = label if number == 1 else "%s %d" % (label, number)
            mark = (" (%s)" % text).encode() + ending[:40]
            new = os.path.join(above, stem[: LONGEST_NAME - len(mark)] + mark)
            if new not in taken and not os.path.lexists(self.full(new)):
                return new
            number += 1

    def beside(self, path: bytes, word: str, oid: str) -> bytes | None:
        """A file `name (word ...).ext` of exactly this content, if there is one already."""
        above, name = os.path.split(path)
        stem, ending = os.path.splitext(name)
        start = stem + (" (%s " % word).encode()
        try:
            listed = os.listdir(self.full(above) if above else self.root)
        except OSError:
            return None
        for other in sorted(listed):
            if other.startswith(start) and other.endswith(b")" + ending):
                found = self.look(os.path.join(above, other))
                if found and found.oid == oid:
                    return os.path.join(above, other)
        return None

    def clear_temp(self) -> None:
        """Remove what a killed pull left unfinished."""
        shutil.rmtree(self.temp, ignore_errors=True)
        os.makedirs(self.temp, mode=0o700, exist_ok=True)
