"""The lock of an image: the exact packages that a build ended up with. No I/O here.

Lines of pip are `name==version`, those of conda `address#sha256`.
"""

from __future__ import annotations

import re

PIP = re.compile(r"[\w.-]+==[\w.+!-]+")
CONDA = re.compile(r"\S+\.(conda|tar\.bz2)#[0-9a-f]{64}")


def pip_part(lock: str) -> str:
    """The lines that pin a pip package; one from the repository or from git has no version."""
    return _matching(PIP, lock)


def conda_part(lock: str) -> str:
    """The lines of conda packages."""
    return _matching(CONDA, lock)


def kept_part(lock: str) -> str:
    """What a later build of the commit can keep to; empty where the lock says nothing of use."""
    return pip_part(lock) + conda_part(lock)


def _matching(pattern: re.Pattern[str], lock: str) -> str:
    return "".join(f"{line}\n" for line in lock.splitlines() if pattern.fullmatch(line))
