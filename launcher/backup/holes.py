"""Files with holes, which cost only what they hold: where their data is, how a tar has them."""

from __future__ import annotations

import copy
import errno
import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import IO, Any, Literal

from launcher.backup.reading import PIECE, reading

OCTAL = 8**11
"""Bytes: a tar's header holds the sizes of smaller files."""
Segments = list[tuple[int, int]]
"""Where a file's data is between its holes: offsets and lengths, in order."""


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


def sum_of_holes(parts: Segments, size: int) -> Any:
    """The beginning of the sum of a file with holes: where they are."""
    return hashlib.sha256(json.dumps([size, parts]).encode())


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


def copy_with_holes(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("xb") as new:
        found = os.fstat(old.fileno())
        new.truncate(found.st_size)
        for start, length in segments(old.fileno(), found) or [(0, found.st_size)]:
            old.seek(start)
            new.seek(start)
            for left in range(length, 0, -PIECE):
                new.write(old.read(min(PIECE, left)))
