"""A backup is read to its end and compared with its list; what was cut off or changed is none.

Every entry is looked at before it is used: none leads out of the folder that it is restored to.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from launcher.backup.errors import BadBackup
from launcher.backup.holes import Segments, sum_of_holes
from launcher.backup.manifest import MANIFEST, Entry, Manifest, home_of
from launcher.backup.reading import PIECE


def check_backup(file: Path) -> Manifest:
    """Read all of it and compare with its list.

    :raises BadBackup: it is not whole, with what is wrong.
    """
    try:
        with entries_of(file) as (tar, rows):
            found = {row.name: read_entry(row, tar, None) for row in rows}
    except OSError as error:
        raise BadBackup(f"{file} cannot be read: {error.strerror}.") from error
    return compared(found, tar_manifest(found, rows.last))


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


def read_entry(row: tarfile.TarInfo, tar: tarfile.TarFile, path: Path | None) -> Entry:
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
    parts = [(0, row.size)] if row.sparse is None else parts_of(row)
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
    return Entry("file", sum(length for _, length in parts), mark.hexdigest())


def parts_of(row: tarfile.TarInfo) -> Segments:
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
