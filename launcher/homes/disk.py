"""How full a home folder is, and what takes the room; read by du and find, which hostile trees
(endless depth, odd names, links that lead out) cannot mislead."""

from __future__ import annotations

import heapq
import io
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 512
LONGEST = 20.0
"""Seconds for one look; millions of files take longer and count as not known."""
NEARLY = 0.8
"""Of the limit: from here on the student is told."""


@dataclass(frozen=True)
class File:
    """A file of a home, as it takes room."""

    path: str
    """Below the home."""
    size: int
    """Bytes on the disk: holes take none."""


def used(folder: Path) -> int | None:
    """Bytes that the folder takes on its disk; None where that cannot be found out in time."""
    command = ["du", "--summarize", "--one-file-system", "--block-size=1", "--", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST)
        return int(done.stdout.split(b"\t")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def largest(folder: Path, count: int = 20) -> list[File]:
    """The files that take most room, the largest first."""
    return heapq.nlargest(count, every_file(folder), key=lambda one: (one.size, one.path))


def every_file(folder: Path) -> Iterator[File]:
    """All files below the folder but those of git, which nobody should remove one by one.

    Links are not followed. Ends after `LONGEST` seconds.
    """
    command = ["timeout", f"{LONGEST:.0f}", "find", str(folder), "-xdev"]
    command += ["-name", ".git", "-prune", "-o", "-type", "f", "-printf", r"%b\t%P\0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        said, rest = process.stdout or io.BytesIO(), b""
        while chunk := said.read(65536):
            *rows, rest = (rest + chunk).split(b"\0")
            for row in rows:
                blocks, _, path = row.partition(b"\t")
                yield File(path.decode("utf-8", "replace"), int(blocks) * BLOCK)
