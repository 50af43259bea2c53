"""Three versions of one file into one: notebooks by cells, text by lines, the rest not at all."""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import NamedTuple, Optional

from .notebook import merge_notebooks

LARGEST_TEXT = 20_000_000
"""Bytes; a longer file is treated like a binary one."""


class Merge(NamedTuple):
    """What is left of both sides' changes."""

    data: Optional[bytes]
    """The merged file; None where the two cannot be merged and the student's stays."""
    whole: bool
    """False where something of the teacher's is not in it, so their version goes beside it."""
    note: str = ""


def merge_files(
    name: bytes, base: bytes, mine: bytes, theirs: bytes, *, date: str, temp: bytes
) -> Merge:
    """Merge the teacher's change into the student's file; the student's side wins."""
    if name.lower().endswith(b".ipynb"):
        cells = merge_notebooks(base, mine, theirs, date)
        if cells is None:
            return Merge(None, whole=False)
        shown = name.decode("utf-8", "replace")
        note = "In %s the teacher's version follows some of your cells" % shown
        return Merge(cells.data, whole=True, note=note if cells.clash else "")
    if any(b"\0" in data or len(data) > LARGEST_TEXT for data in (base, mine, theirs)):
        return Merge(None, whole=False)
    return merge_text(base, mine, theirs, temp=temp)


def merge_text(base: bytes, mine: bytes, theirs: bytes, *, temp: bytes) -> Merge:
    """By lines; line ends are the student's where they changed them, else the teacher's."""
    ends = [b"\r\n" if is_crlf(data) else b"\n" for data in (base, mine, theirs)]
    end = ends[1] if ends[1] != ends[0] else ends[2]
    unix = [
        data.replace(b"\r\n", b"\n") if e == b"\r\n" else data
        for data, e in zip((base, mine, theirs), ends)
    ]
    if unix[1] == unix[0]:
        merged, clean = unix[2], True
    elif unix[2] in (unix[0], unix[1]):
        merged, clean = unix[1], True
    else:
        merged, clean = merge_lines(*unix, temp=temp)
    return Merge(merged.replace(b"\n", end) if end == b"\r\n" else merged, whole=clean)


def is_crlf(data: bytes) -> bool:
    """True when every line ends as on Windows."""
    lines = data.count(b"\n")
    return lines > 0 and data.count(b"\r\n") == lines


def merge_lines(base: bytes, mine: bytes, theirs: bytes, *, temp: bytes) -> tuple[bytes, bool]:
    """`git merge-file`: the result with the student's lines, and whether nothing clashed."""
    with tempfile.TemporaryDirectory(dir=os.fsdecode(temp)) as folder:
        paths = [os.path.join(folder, name) for name in ("mine", "base", "theirs")]
        for path, data in zip(paths, (mine, base, theirs)):
            with open(path, "wb") as file:
                file.write(data)
        plain = run_merge(paths)
        if plain.returncode == 0:
            return plain.stdout, True
        if plain.returncode > 127:
            return mine, False
        return run_merge(["--ours", *paths]).stdout, False


def run_merge(args: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Outside any repository, so no setting and no attribute of one counts."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env.update(
        GIT_DIR=os.devnull, GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull, LC_ALL="C"
    )
    env["HOME"] = env["XDG_CONFIG_HOME"] = "/nonexistent"
    command = ["git", "-c", "merge.conflictStyle=merge", "merge-file", "-p", "-q", *args]
    return subprocess.run(command, capture_output=True, env=env, check=False)
