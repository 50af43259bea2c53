"""Files are read while the backup is written: the trouble of each is told from the other's."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import IO

PIECE = 1 << 20
"""Bytes that are read at once."""


class NotRead(Exception):
    """One file cannot be read; the others can."""


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """:raises NotRead: instead of an OSError, which then is always one of writing."""
    try:
        yield
    except OSError as error:
        raise NotRead(error.strerror) from error


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
