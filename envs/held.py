"""A file that one thread of one process holds at a time, and that may be removed meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def held(file: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the file for the block, which alone may remove it, as the last that it does.

    It is made where there is none. Whoever waited for a file that is gone then waits
    for the one that took its place.

    :raises BlockingIOError: somebody else holds it, and `wait` is False.
    """
    while True:
        with file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(lock, file):
                yield
                return


def is_at(opened: IO[str], file: Path) -> bool:
    """True while an open file is the one of that name."""
    try:
        return os.path.samestat(os.fstat(opened.fileno()), file.stat())
    except FileNotFoundError:
        return False
