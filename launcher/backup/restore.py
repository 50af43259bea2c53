"""A backup becomes a data folder again: checked as a whole, then put in place.

Its links are made last, when nothing is written any more: none can lead a file elsewhere.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import secrets
import shutil
import stat
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from sqlalchemy import update

from launcher.backup.backup import (
    DATABASE,
    MANIFEST,
    PIECE,
    Entry,
    Manifest,
    Segments,
    home_of,
    segments,
    shown,
    sum_of_holes,
    sync_folder,
)
from launcher.database import Database
from launcher.database.tables import SESSIONS
from launcher.errors import LaunchError
from launcher.homes.home import Homes
from launcher.people.identity import RESTORED

LAST = ("secret.key", DATABASE)
"""What makes a folder a launcher's is put in place in the end."""
MAY_BE_THERE = {"serve.lock", "lost+found"}
STUDENTS = ("homes/", "bin/")
NOT_HERE = {errno.EFBIG, errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ}
"""How a disk says that it cannot have a file of such a size or name, though another one could."""
RIGHTS = 0o1777
"""A backup gives no program another user's rights."""


class BadBackup(LaunchError):
    """The file is no whole backup. Nothing was restored."""


class NotRestored(LaunchError):
    """The backup cannot be put there. It is as it was."""


def check_backup(file: Path) -> Manifest:
    """Read all of it and compare with its list.

    :raises BadBackup: it is not whole, with what is wrong.
    """
    try:
        with entries_of(file) as (tar, rows):
            found = {row.name: seen(row, tar, None) for row in rows}
    except OSError as error:
        raise BadBackup(f"{file} cannot be read: {error.strerror}.") from error
    return compared(found, tar_manifest(found, rows.last))


def restore_backup(file: Path, data: Path) -> Manifest:
    """Make `data`, which must be empty, what it was when the backup was made.

    :raises BadBackup: the file is not whole.
    :raises NotRestored: the folder is not empty, in use, or cannot be written.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if there := sorted({one.name for one in data.iterdir()} - MAY_BE_THERE):
            raise NotRestored(
                f"{data} is not empty: it has {', '.join(there[:3])}.",
                hint="Restore into a new folder (--data), or move what is there away first.",
            )
        with (data / "serve.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise NotRestored(f"A launcher serves {data}.", hint="Stop it first.") from error
            stage = Path(tempfile.mkdtemp(dir=data, prefix=".restoring-"))
            try:
                manifest = unpack(file, stage)
                settle(stage)
                put_in_place(stage, data)
                return manifest
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise NotRestored(
            f"The backup could not be restored: {error.strerror or error}.",
            hint=f"Look at the disk of {data}.",
        ) from error


def unpack(file: Path, stage: Path) -> Manifest:
    """Everything into the new folder; files first, then rights of folders, then links."""
    found: dict[str, Entry] = {}
    placing = Placing(stage)
    folders: list[tarfile.TarInfo] = []
    links: list[tarfile.TarInfo] = []
    with entries_of(file) as (tar, rows):
        for row in rows:
            if row.name in found:
                raise BadBackup(f"{file} has {row.name[:100]!r} twice.")
            wanted = False
            if row.name == MANIFEST or placing.is_left_out(row.name):
                pass
            elif row.isdir():
                folders += [row] if placing.folder(row) else []
            elif row.issym():
                links.append(row)
            elif row.islnk():
                placing.name(row)
            else:
                wanted = placing.file(row)
            found[row.name] = seen(row, tar, stage / row.name if wanted else None)
    manifest = compared(found, tar_manifest(found, rows.last))
    for row in links:
        (stage / row.name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for row in links:
        if placing.link(row):
            own(stage / row.name, row)
    for row in reversed(folders):
        own(stage / row.name, row)
    manifest.notes.extend(placing.notes)
    return manifest


@dataclass
class Placing:
    """Makes files on a disk that may not be able to have all that another one could.

    What is a student's is left out then and noted: nobody may make a restore fail for everybody.
    """

    stage: Path
    notes: list[str] = field(default_factory=list)
    _left_out: set[str] = field(default_factory=set)
    _lasts: dict[str, Path] = field(default_factory=dict)
    """The last copy of a file with more names than this disk gives to one."""

    def is_left_out(self, name: str) -> bool:
        """Whether it, or a folder that it is in, is left out."""
        return name in self._left_out or any(
            str(above) in self._left_out for above in Path(name).parents if self._left_out
        )

    def folder(self, row: tarfile.TarInfo) -> bool:
        """An empty folder; False where it is left out, with all that is in it."""
        with self._noting(row):
            (self.stage / row.name).mkdir(mode=0o700, parents=True)
        return row.name not in self._left_out

    def file(self, row: tarfile.TarInfo) -> bool:
        """An empty file of the entry's size; False where it is left out."""
        path = self.stage / row.name
        with self._noting(row):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with path.open("xb") as file:
                    file.truncate(row.size)
            except OSError:
                with contextlib.suppress(OSError):
                    path.unlink()
                raise
        return row.name not in self._left_out

    def name(self, row: tarfile.TarInfo) -> None:
        """Another name of a file, or a copy of it where it has as many as it can."""
        if self.is_left_out(row.linkname):
            self._leave_out(row, "its other name is left out")
            return
        path, last = self.stage / row.name, self._lasts.get(row.linkname)
        known = last or self.stage / row.linkname
        with self._noting(row):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                os.link(known, path, follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.EMLINK:
                    raise
                copy_with_holes(known, path)
                own(path, row)
                self._lasts[row.linkname] = path

    def link(self, row: tarfile.TarInfo) -> bool:
        with self._noting(row):
            (self.stage / row.name).symlink_to(row.linkname)
        return row.name not in self._left_out

    @contextlib.contextmanager
    def _noting(self, row: tarfile.TarInfo) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in NOT_HERE or not row.name.startswith(STUDENTS):
                raise
            self._leave_out(row, f"this disk cannot have it ({error.strerror})")

    def _leave_out(self, row: tarfile.TarInfo, why: str) -> None:
        self._left_out.add(row.name)
        self.notes.append(f"{shown(row.name)}: left out, {why}")


def copy_with_holes(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("xb") as new:
        found = os.fstat(old.fileno())
        new.truncate(found.st_size)
        for start, length in segments(old.fileno(), found) or [(0, found.st_size)]:
            old.seek(start)
            new.seek(start)
            for left in range(length, 0, -PIECE):
                new.write(old.read(min(PIECE, left)))


def settle(stage: Path) -> None:
    """Check the database, and let it know that what ran then does not run here."""
    database = Database.of(stage)
    try:
        if trouble := database.check():
            raise BadBackup(f"The database in the backup is damaged: {trouble}.")
        running = update(SESSIONS).where(SESSIONS.c.ended == 0)
        why = "the server was restored from a backup"
        with database.write() as connection:
            connection.execute(running.values(ended=time.time(), why=why))
    finally:
        database.close()
    (stage / RESTORED).write_text(secrets.token_hex(8))
    homes = Homes(stage / "homes")
    for student in homes.students():
        for course in homes.courses(student):
            os.utime(homes.path(student, course))  # or old work would be due at once


def put_in_place(stage: Path, data: Path) -> None:
    names = sorted(one.name for one in stage.iterdir())
    for name in [*(one for one in names if one not in LAST), *LAST]:
        if name in names:
            (stage / name).rename(data / name)
    data.chmod(0o700)
    os.sync()
    sync_folder(data)


class Rows:
    """The tar's entries, each checked for where it leads; `last` is the list at its end."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._files = set[str]()
        self.last = b""

    def __iter__(self) -> Iterator[tarfile.TarInfo]:
        for row in iter(self._tar.next, None):
            self._tar.members.clear()  # type: ignore[attr-defined]  # else it keeps all of them
            parts = row.name.split("/")
            if row.name.startswith("/") or {"", ".", ".."} & set(parts):
                raise BadBackup(f"{row.name[:100]!r} leads out of the backup.")
            if row.islnk():
                # Nothing else in the new folder can be named so: links are made last.
                if row.linkname not in self._files or home_of(row.linkname) != home_of(row.name):
                    raise BadBackup(f"{row.name[:100]!r} is another name of nothing before it.")
            elif row.isreg():
                self._files.add(row.name)
            elif not (row.isdir() or row.issym()):
                raise BadBackup(f"{row.name[:100]!r} is neither a file nor a folder nor a link.")
            if self.last:
                raise BadBackup("Something follows after the backup's end.")
            if row.name == MANIFEST:
                source = self._tar.extractfile(row)
                self.last = source.read() if source else b""
            yield row
        rest = self._tar.fileobj
        while rest and rest.read(PIECE):
            pass  # to the end of the file, where gzip's own checksum is


@contextlib.contextmanager
def entries_of(file: Path) -> Iterator[tuple[tarfile.TarFile, Rows]]:
    """The backup, opened; what is wrong with it is said.

    :raises BadBackup: it cannot be read to its end.
    """
    try:
        with tarfile.open(file, "r:*") as tar:
            yield tar, Rows(tar)
    except (tarfile.TarError, EOFError, zlib.error, ValueError) as error:
        raise BadBackup(
            f"{file} is no whole backup: {error}.", hint="Take another one; nothing was restored."
        ) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise BadBackup(f"{file} is no whole backup: {error}.") from error  # gzip's own errors


def seen(row: tarfile.TarInfo, tar: tarfile.TarFile, path: Path | None) -> Entry:
    """What the entry is, and its content written to the file `path` where one is named."""
    if row.isdir():
        return Entry("folder")
    if row.issym():
        return Entry("link", target=row.linkname)
    if row.islnk():
        return Entry("hard link", target=row.linkname)
    source = tar.extractfile(row)
    if source is None:
        raise BadBackup(f"{row.name[:100]!r} has no content.")
    parts = [(0, row.size)] if row.sparse is None else checked(row)
    mark = hashlib.sha256() if row.sparse is None else sum_of_holes(parts, row.size)
    with contextlib.ExitStack() as opened:
        target: IO[bytes] = io.BytesIO()
        if path:
            target = opened.enter_context(path.open("r+b"))
        for start, length in parts:
            source.seek(start)
            target.seek(start)
            for left in range(length, 0, -PIECE):
                piece = source.read(min(PIECE, left))
                mark.update(piece)
                if path:
                    target.write(piece)
    if path:
        own(path, row)
    return Entry("file", sum(length for _, length in parts), mark.hexdigest())


def checked(row: tarfile.TarInfo) -> Segments:
    """Where the data is of a file with holes.

    :raises BadBackup: it is not in order, or beyond the file's end.
    """
    parts: Any = row.sparse  # typeshed takes it for bytes
    at = 0
    for start, length in parts:
        if start < at or length < 0 or start + length > row.size:
            raise BadBackup(f"{row.name[:100]!r} has its data where it cannot be.")
        at = start + length
    return list(parts)


def own(path: Path, row: tarfile.TarInfo) -> None:
    """Owner, rights and time as they were, as far as this user may."""
    if os.geteuid() == 0:
        os.chown(path, row.uid, row.gid, follow_symlinks=False)
    if not row.issym():
        path.chmod(stat.S_IMODE(row.mode) & RIGHTS)
    os.utime(path, (row.mtime, row.mtime), follow_symlinks=False)


def tar_manifest(found: dict[str, Entry], text: bytes) -> Manifest:
    if MANIFEST not in found:
        raise BadBackup(
            "The file is no whole backup: the list at its end is missing.",
            hint="It was cut off, or is something else. Take another one.",
        )
    try:
        return Manifest.of_json(text)
    except ValueError as error:
        raise BadBackup(f"The file is no backup that this launcher reads: {error}.") from error


def compared(found: dict[str, Entry], manifest: Manifest) -> Manifest:
    """The manifest, if it is of exactly these entries."""
    there = {path: entry for path, entry in found.items() if path != MANIFEST}
    if there == manifest.entries:
        return manifest
    paths = {*there, *manifest.entries}
    wrong = sorted(path for path in paths if there.get(path) != manifest.entries.get(path))
    raise BadBackup(
        f"The backup is damaged: {wrong[0][:100]!r} is not what was put into it "
        f"({len(wrong)} in all).",
        hint="Take another one; nothing was restored.",
    )
