"""Opening the files of a stranger's repository: never outside of it, never endless."""

from __future__ import annotations

from pathlib import Path

from envs.errors import BadEnvironment

LARGEST = 1024 * 1024
"""Bytes; configuration files are small."""


def find_file(root: Path, name: str) -> bool:
    """True when the repository has this file; a link that leaves the repository is refused."""
    path = root / name
    if not path.is_symlink() and not path.exists():
        return False
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (RuntimeError, OSError):  # a link that leads to itself: which one depends on the Python
        inside = False
    if not inside:
        raise BadEnvironment(
            f"{name} is a link that leads out of the repository.", hint="Make it a plain file."
        )
    return path.is_file()


def read_lines(root: Path, name: str) -> list[str]:
    """The file's lines, as UTF-8 with or without a byte order mark, any line ends.

    :raises BadEnvironment: it is not text, or larger than any real one.
    """
    path = root / name
    if path.stat().st_size > LARGEST:
        raise BadEnvironment(f"{name} is larger than {LARGEST} bytes.")
    try:
        return path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise BadEnvironment(
            f"{name} is not a UTF-8 text file.", hint="Save it as UTF-8."
        ) from error
