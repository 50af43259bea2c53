"""What a session's server and its kernels print: a file that is read, and cut, at its end.

The launcher may end and sessions go on, so the file is theirs to write, and the launcher's to cut.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

LONGEST = 1_000_000
"""Bytes at the end in which the lines are that somebody asks for."""
LARGEST = 10_000_000
"""Bytes on the disk from which on only the end is kept; Docker's runtime keeps as much."""
BLOCK = 512
"""Bytes, as `stat` counts them whatever the disk."""


def open_log(file: Path) -> BinaryIO:
    """An empty log. Each write goes to its end, also after it was cut."""
    file.unlink(missing_ok=True)
    return file.open("ab")


def last_lines(file: Path, count: int) -> str:
    """Empty where there is no log."""
    with contextlib.suppress(OSError), file.open("rb") as opened:
        return "\n".join(end_of(opened).decode("utf-8", "replace").splitlines()[-count:])
    return ""


def cut(file: Path) -> None:
    """Keep the end of a log that has become too large. It never fails: a session goes on."""
    try:
        if file.stat().st_blocks * BLOCK > LARGEST:
            with open(os.open(file, os.O_RDWR | os.O_APPEND), "r+b") as opened:
                end = end_of(opened)
                opened.truncate(0)
                opened.write(end)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("a session's log is not cut: %s", error, extra={"path": str(file)})


def end_of(opened: BinaryIO) -> bytes:
    opened.seek(max(0, opened.seek(0, os.SEEK_END) - LONGEST))
    return opened.read(LONGEST)
