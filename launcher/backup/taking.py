"""The data folder goes into the tar, file by file, while students may write there."""

from __future__ import annotations

import os
import stat
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from launcher.backup.errors import BackupFailed
from launcher.backup.holes import RowWithHoles, copied_parts, segments, sparse_headers
from launcher.backup.manifest import DATABASE, Entry, Manifest, home_of, shown
from launcher.backup.reading import NotRead, copied, reading
from launcher.homes.disk import FOLDER
from launcher.people.identity import RESTORED

LEFT_AWAY = (
    "base",
    "builds/sources",
    "content",
    "envs",
    RESTORED,
    "run",
    "serve.lock",
    "slots",
    "lost+found",
    "launcher.lock",
)
"""What is made again when it is needed, or belongs to processes that run."""
PASSING = (DATABASE, "tmp", ".restoring-")
"""Beginnings of names in the data folder that are left away, too; the database comes as a copy."""
DEEPEST, LONGEST = 150, 3000
"""Folders in folders, and bytes of a path: what a student made beyond that is left out."""
ENTRIES = 2_000_000
"""Things in one home: each has a row in the list, which is held in memory."""
IN_MEMORY = 16 << 20
"""Bytes of a file that are held there while it is read."""
COPIES = 3
"""Of one file with several names that changes all the time; the other names are links to the last.
Disks count such a file once, so nobody may make the backup many times as large."""
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass
class Named:
    """A file with several names, as it was taken last."""

    path: str
    state: tuple[int, int]
    """Time of its change and size."""
    copies: int


@dataclass(frozen=True)
class Taking:
    """Takes folders into the tar. Students may write there meanwhile: no link is followed."""

    tar: tarfile.TarFile
    room: Path
    """Where large files lie while they are read."""
    manifest: Manifest
    named: dict[tuple[str, int, int], Named] = field(default_factory=dict)
    """By home, device and inode."""
    counted: dict[str, int] = field(default_factory=dict)
    """What each home has in the backup."""

    def folder(self, data: Path) -> None:
        """All of the data folder but what is left away."""
        try:
            handle = os.open(data, FOLDER & ~os.O_NOFOLLOW)
        except OSError as error:
            raise BackupFailed(f"{data} cannot be read: {error.strerror}.") from error
        self._below(handle, "")

    def _below(self, handle: int, path: str) -> None:
        """Everything in the folder of this handle, which is closed in the end."""
        try:
            if path:
                self._row(handle, path, tarfile.DIRTYPE, Entry("folder"))
            try:
                with reading():
                    files, folders = self._listed(handle, path)
            except NotRead as error:
                self.manifest.notes.append(f"{shown(path)}: {error}")
                return
            for name in sorted(files):
                self._one(name, f"{path}/{name}" if path else name, handle)
            for name in sorted(folders):
                self._go_down(name, f"{path}/{name}" if path else name, handle)
        finally:
            os.close(handle)

    def _listed(self, handle: int, path: str) -> tuple[list[str], list[str]]:
        """The names of what is in the folder and not left away: of folders, and of all else."""
        files: list[str] = []
        folders: list[str] = []
        with os.scandir(handle) as rows:
            for row in rows:
                inside = f"{path}/{row.name}" if path else row.name
                if is_left_away(inside):
                    continue
                if not self._has_room(inside):
                    break
                (folders if row.is_dir(follow_symlinks=False) else files).append(row.name)
        return files, folders

    def _has_room(self, path: str) -> bool:
        """Whether there is room in the list for one more of this home."""
        home = home_of(path)
        self.counted[home] = self.counted.get(home, 0) + 1
        if self.counted[home] == ENTRIES + 1:
            many = f"more than {ENTRIES:,} files and folders, the others are left out"
            self.manifest.notes.append(f"{shown(home)}: {many}")
        return self.counted[home] <= ENTRIES

    def _go_down(self, name: str, path: str, above: int) -> None:
        if path.count("/") > DEEPEST or len(os.fsencode(path)) > LONGEST:
            self.manifest.notes.append(f"{shown(path)}: too many folders deep, left out")
            return
        try:
            handle = os.open(name, FOLDER, dir_fd=above)
        except FileNotFoundError:  # it was removed just now
            return
        except OSError as error:  # or something else is in its place
            self.manifest.notes.append(f"{shown(path)}: {error.strerror}")
            return
        self._below(handle, path)

    def _one(self, name: str, path: str, handle: int) -> None:
        """Take it, or note why it cannot be read. What cannot be written ends the backup."""
        try:
            self._take(name, path, handle)
        except NotRead as error:
            if not isinstance(error.__cause__, FileNotFoundError):  # else it was removed just now
                self.manifest.notes.append(f"{shown(path)}: {error}")

    def _take(self, name: str, path: str, handle: int) -> None:
        with reading():
            found = os.stat(name, dir_fd=handle, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            self._link(name, path, handle, found)
        elif stat.S_ISREG(found.st_mode):
            with reading():
                opened = os.open(name, FILE, dir_fd=handle)
            with open(opened, "rb", buffering=0) as file:
                self._named(file, path)

    def _named(self, file: IO[bytes], path: str) -> None:
        """Take a file, or note that it is another name of one that was taken as it is now."""
        found = os.fstat(file.fileno())
        if found.st_nlink == 1:
            self.file(file, path)
            return
        key = (home_of(path), found.st_dev, found.st_ino)
        state = (found.st_mtime_ns, found.st_size)
        before = self.named.get(key)
        if before and (before.state == state or before.copies == COPIES):
            if before.state != state:
                self.manifest.notes.append(f"{shown(path)}: it changed while it was read")
            row = tarfile.TarInfo(path)
            row.type, row.linkname = tarfile.LNKTYPE, before.path
            owned(row, found)
            self._add(row)
            self.manifest.entries[path] = Entry("hard link", target=before.path)
            return
        self.file(file, path)
        self.named[key] = Named(path, state, before.copies + 1 if before else 1)

    def _link(self, name: str, path: str, handle: int, found: os.stat_result) -> None:
        with reading():
            target = os.readlink(name, dir_fd=handle)
        row = tarfile.TarInfo(path)
        row.type, row.linkname = tarfile.SYMTYPE, target
        owned(row, found)
        self._add(row)
        self.manifest.entries[path] = Entry("link", target=target)

    def _row(self, handle: int, path: str, kind: bytes, entry: Entry) -> None:
        row = tarfile.TarInfo(path)
        row.type = kind
        owned(row, os.fstat(handle))
        self._add(row)
        self.manifest.entries[path] = entry

    def file(self, file: IO[bytes], path: str) -> None:
        """Take a file as it is between two looks at it; one that always changes, as it was read."""
        for left in (2, 1, 0):
            with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self.room)) as content:
                before = os.fstat(file.fileno())
                parts = segments(file.fileno(), before)
                if parts is None:
                    row = tarfile.TarInfo(path)
                    held, mark = copied(file, content)
                else:
                    row = RowWithHoles(path)
                    held = sum(length for _, length in parts)
                    mark = copied_parts(file.fileno(), content, parts, before.st_size)
                    row.pax_headers = sparse_headers(before.st_size)
                after = os.fstat(file.fileno())
                size = held if parts is None else after.st_size
                quiet = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, size)
                if not quiet and left:
                    file.seek(0)
                    continue
                if not quiet:
                    self.manifest.notes.append(f"{shown(path)}: it changed while it was read")
                owned(row, before)
                row.size = content.tell()
                content.seek(0)
                self._add(row, content)
                self.manifest.entries[path] = Entry("file", held, mark)
                return

    def _add(self, row: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
        self.tar.addfile(row, content)
        self.tar.members.clear()  # type: ignore[attr-defined]  # else it keeps millions of rows


def owned(row: tarfile.TarInfo, found: os.stat_result) -> None:
    """Whose it is, with which rights and of what time."""
    row.uid, row.gid = found.st_uid, found.st_gid
    row.mode = stat.S_IMODE(found.st_mode)
    row.mtime = found.st_mtime


def is_left_away(path: str) -> bool:
    return path in LEFT_AWAY or ("/" not in path and path.startswith(PASSING))
