"""One file with all that cannot be made again: database, links, students' folders, secrets.

It is a tar whose last entry lists every other one with its checksum; without that it is no backup.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from launcher.database import Database
from launcher.errors import LaunchError
from launcher.homes.disk import FOLDER
from launcher.people.identity import RESTORED

FORMAT = 1
MANIFEST = "MANIFEST.json"
DATABASE = "launcher.sqlite"
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
PIECE = 1 << 20
OCTAL = 8**11
"""Bytes: a tar's header holds the sizes of smaller files."""
COPIES = 3
"""Of one file with several names that changes all the time; the other names are links to the last.
Disks count such a file once, so nobody may make the backup many times as large."""
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class BackupFailed(LaunchError):
    """There is no new backup; an earlier one is as it was."""


class NotRead(Exception):
    """One file cannot be read; the others can."""


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """:raises NotRead: instead of an OSError, which then is always one of writing."""
    try:
        yield
    except OSError as error:
        raise NotRead(error.strerror) from error


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the backup."""

    kind: str
    """`file`, `folder`, `link`, or `hard link`: another name of a file in the same home."""
    size: int = 0
    """Bytes of data; a file's holes have none."""
    sum: str = ""
    """SHA-256 of a file: of its data, and of where that is in one with holes."""
    target: str = ""
    """Of a link."""


@dataclass
class Manifest:
    """What a backup holds."""

    made: float
    """Unix seconds."""
    entries: dict[str, Entry] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What could not be taken, or changed while it was read."""

    @property
    def size(self) -> int:
        return sum(one.size for one in self.entries.values())

    def as_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)})

    @classmethod
    def of_json(cls, text: bytes) -> Manifest:
        """:raises ValueError: it is none of this format."""
        try:
            found = json.loads(text)
            if found.pop("format") != FORMAT:
                raise ValueError("it is of another launcher's format")
            entries = {path: Entry(**one) for path, one in found.pop("entries").items()}
            return cls(**found, entries=entries)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"its list cannot be read ({error})") from error


def write_backup(data: Path, target: Path) -> Manifest:
    """Write everything of the data folder to `target`, while the launcher may go on.

    Each file is whole as it was at some moment, and the database as it was at one. `target` appears
    when all of it is on the disk and was read back.

    :raises BackupFailed: with why.
    """
    from launcher.backup.restore import check_backup

    target = target.absolute()
    if not (data / "secret.key").exists():
        raise BackupFailed(f"{data} is no data folder of a launcher.", hint="Name it with --data.")
    if target.exists():
        raise BackupFailed(f"{target} exists already.", hint="Choose another name, with the date.")
    if target.parent.resolve().is_relative_to(data.resolve()):
        raise BackupFailed(
            f"{target} is in the data folder itself.", hint="Put it on another disk."
        )
    part = None
    try:
        # What a kill leaves there has such a name, by which deploy/ removes it; mode 600.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        part = Path(name)
        with os.fdopen(handle, "wb") as out:
            manifest = fill(out, data, target)
            out.flush()
            os.fsync(out.fileno())
        check_backup(part)
        part.rename(target)
        sync_folder(target.parent)
        return manifest
    except OSError as error:
        raise BackupFailed(
            f"The backup could not be written: {error.strerror or error}.",
            hint=f"Look at the disk of {target.parent}. There is no file {target.name}.",
        ) from error
    finally:
        if part:
            part.unlink(missing_ok=True)


def fill(out: IO[bytes], data: Path, target: Path) -> Manifest:
    """Write the tar, and its list as the last entry; beside `target` there is room."""
    room = target.parent
    with contextlib.ExitStack() as opened:
        stream: Any = out
        if target.suffix in (".gz", ".tgz"):
            stream = opened.enter_context(gzip.GzipFile("", "wb", 1, out))
        tar = opened.enter_context(
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT)
        )
        taking = Taking(tar, room, Manifest(time.time()))
        with tempfile.TemporaryDirectory(dir=room, prefix=f".{target.name}.") as folder:
            database_copy = Path(folder, DATABASE)
            with contextlib.closing(Database.of(data)) as database:
                database.copy(database_copy)
            with database_copy.open("rb") as file:
                taking.file(file, DATABASE)
        taking.folder(data)
        text = taking.manifest.as_json().encode()
        row = tarfile.TarInfo(MANIFEST)
        row.size, row.mode = len(text), 0o600
        tar.addfile(row, io.BytesIO(text))
    return taking.manifest


Segments = list[tuple[int, int]]
"""Where a file's data is between its holes: offsets and lengths, in order."""


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


def copied(source: IO[bytes], target: IO[bytes]) -> tuple[int, str]:
    """The bytes that were copied, and their SHA-256."""
    size, mark = 0, hashlib.sha256()
    while True:
        with reading():
            piece = source.read(PIECE)
        if not piece:
            break
        target.write(piece)
        mark.update(piece)
        size += len(piece)
    return size, mark.hexdigest()


def segments(handle: int, found: os.stat_result) -> Segments | None:
    """Where the data of a file with holes is; None for one without."""
    if found.st_blocks * 512 >= found.st_size:
        return None
    every, at = [], 0
    with reading():
        while at < found.st_size:
            try:
                start = os.lseek(handle, at, os.SEEK_DATA)
                if start >= found.st_size:  # it has grown since
                    break
                at = min(os.lseek(handle, start, os.SEEK_HOLE), found.st_size)
            except OSError as error:
                if error.errno != errno.ENXIO:  # no more data
                    raise
                break
            every.append((start, at - start))
        os.lseek(handle, 0, os.SEEK_SET)
    if every == [(0, found.st_size)]:
        return None
    if not every or sum(every[-1]) < found.st_size:
        every.append((found.st_size, 0))  # GNU tar takes the end of the last part for the file's
    return every


def copied_parts(source: int, target: IO[bytes], parts: Segments, size: int) -> str:
    """Write the data after a map of it, as a tar has files with holes; its sum.

    https://www.gnu.org/software/tar/manual/html_node/PAX-1.html
    """
    lines = [len(parts), *(number for part in parts for number in part)]
    table = "".join(f"{one}\n" for one in lines).encode()
    target.write(table + bytes(-len(table) % tarfile.BLOCKSIZE))
    mark = sum_of_holes(parts, size)
    for start, length in parts:
        for at in range(start, start + length, PIECE):
            wanted = min(PIECE, start + length - at)
            with reading():
                piece = os.pread(source, wanted, at)
            piece += bytes(wanted - len(piece))  # it became shorter meanwhile
            target.write(piece)
            mark.update(piece)
    return mark.hexdigest()


def sparse_headers(size: int) -> dict[str, str]:
    """What says that a tar's entry is a file with holes, and how long it is."""
    names = {"major": "1", "minor": "0", "realsize": str(size)}
    return {f"GNU.sparse.{name}": value for name, value in names.items()}


class RowWithHoles(tarfile.TarInfo):
    """A file with holes, of which there may be more than 8 GiB of data.

    Its size then stands in the header itself, as GNU tar writes such a number: where it stands
    before the header, as POSIX has it, tarfile takes it for the size with the holes.
    https://www.gnu.org/software/tar/manual/html_node/Extensions.html
    """

    def tobuf(
        self,
        format: Literal[0, 1, 2] | None = tarfile.PAX_FORMAT,
        encoding: str | None = "utf-8",
        errors: str = "surrogateescape",
    ) -> bytes:
        if self.size < OCTAL:
            return super().tobuf(format, encoding, errors)
        row = copy.copy(self)
        row.size = 0
        made = row.tobuf(format, encoding, errors)
        header = bytearray(made[-tarfile.BLOCKSIZE :])
        header[124:136] = b"\x80" + self.size.to_bytes(11, "big")
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        return made[: -tarfile.BLOCKSIZE] + bytes(header)


def sum_of_holes(parts: Segments, size: int) -> Any:
    """The beginning of the sum of a file with holes: where they are."""
    return hashlib.sha256(json.dumps([size, parts]).encode())


def home_of(path: str) -> str:
    """The student's folder for a course that the path is in, or such a folder in the bin."""
    return "/".join(path.split("/")[: 2 if path.startswith("bin/") else 3])


def owned(row: tarfile.TarInfo, found: os.stat_result) -> None:
    """Whose it is, with which rights and of what time."""
    row.uid, row.gid = found.st_uid, found.st_gid
    row.mode = stat.S_IMODE(found.st_mode)
    row.mtime = found.st_mtime


def is_left_away(path: str) -> bool:
    return path in LEFT_AWAY or ("/" not in path and path.startswith(PASSING))


def shown(path: str) -> str:
    """A student's name for a file, as any terminal can show it."""
    return path.encode("utf-8", "backslashreplace").decode()


def sync_folder(folder: Path) -> None:
    """Bring a new name in the folder to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
