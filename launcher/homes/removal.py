"""Folders that students filled are removed by rm, which walks any depth and follows no link."""

from __future__ import annotations

import subprocess
from pathlib import Path

LONGEST = 600.0
"""Seconds; what is left then goes the next time."""


def remove_tree(folder: Path) -> str | None:
    """Remove the folder and all that is in it, on its own file system; None, or why it stays."""
    command = ["rm", "-rf", "--one-file-system", "--", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip()[-300:] or None if done.returncode else None
