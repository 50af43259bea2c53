"""Files that are there whole or not at all, however many write them at the same time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PREFIX = "tmp"
"""How a file is called that is not whole yet; `launcher/cleanup/leftovers.py` knows it."""


@contextlib.contextmanager
def writing(
    file: Path, *, durable: bool = False, replace: bool = True, prefix: str = PREFIX
) -> Iterator[IO[bytes]]:
    """A new file, for its owner only, that takes the place of `file` if the block ends well.

    With `durable` it survives a loss of power from then on: for what nobody could say again.

    :raises FileExistsError: there is one, without `replace`.
    """
    handle, made = tempfile.mkstemp(dir=file.parent, prefix=prefix)
    try:
        with os.fdopen(handle, "wb") as opened:
            yield opened
            if durable:
                opened.flush()
                os.fsync(opened.fileno())
        if replace:
            os.replace(made, file)
        else:
            os.link(made, file)
        if durable:
            sync_folder(file.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)


def write_text(
    file: Path, text: str, *, durable: bool = False, replace: bool = True, prefix: str = PREFIX
) -> None:
    """The same for a text, in UTF-8."""
    with writing(file, durable=durable, replace=replace, prefix=prefix) as opened:
        opened.write(text.encode())


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
