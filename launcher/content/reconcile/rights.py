"""The owner's own rights, given back where a student took them from themselves.

`chmod -R 000 course` would else keep the folder's owner out of it for good: no pull, no session.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Iterator, List

FOLDER, FILE = 0o700, 0o600


def give_back(folder: bytes) -> bool:
    """Let the owner into the folder, those above it below the home, and all in it.

    A file that can be read stays as it is; links are not followed. False where nothing was wrong.
    """
    given: List[bool] = []
    for path in leading_to(folder):
        if os.path.islink(path):
            return any(given)
        given.append(give(path, FOLDER))
    for above, folders, files in os.walk(folder):  # a folder is opened after it was named here
        given += [give(os.path.join(above, name), FOLDER) for name in folders]
        given += [give(os.path.join(above, name), FILE) for name in files]
    return any(given)


def leading_to(folder: bytes) -> Iterator[bytes]:
    """Where the program runs, which is the home, and each part of a path below it."""
    if os.path.isabs(folder):
        yield folder
        return
    parts = folder.split(b"/")
    yield os.getcwdb()
    yield from (b"/".join(parts[: length + 1]) for length in range(len(parts)))


def give(path: bytes, rights: int) -> bool:
    """True where the owner lacked them and has them now."""
    with contextlib.suppress(OSError):  # another's, or gone meanwhile
        mode = os.lstat(path).st_mode
        needed = rights if stat.S_ISDIR(mode) else 0o400
        if not stat.S_ISLNK(mode) and mode & needed != needed:
            os.chmod(path, stat.S_IMODE(mode) | rights)
            return True
    return False
