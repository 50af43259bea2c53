"""The Python interpreters of this machine that venvs stand on."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from envs.errors import NotOffered
from envs.readers.python_version import PYTHONS


def has_python(version: str, *, data: Path) -> bool:
    try:
        return bool(find_python(version, data=data))
    except NotOffered:
        return False


def find_python(version: str, *, data: Path) -> Path:
    """An interpreter of this version on this machine; the system's own first.

    Sandboxes see the whole folder that an interpreter is in, so never one with the data folder.

    :raises NotOffered: there is none.
    """
    candidates = [f"/usr/bin/python{version}", shutil.which(f"python{version}") or ""]
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        candidates.append(str(Path(sys.base_prefix, "bin", f"python{version}")))
    beside_data = ""
    for candidate in candidates:
        if candidate and Path(candidate).exists() and "/shims/" not in candidate:
            if not any(overlap(folder, data) for folder in outside_usr(Path(candidate))):
                return Path(candidate)
            beside_data = candidate
    if beside_data:
        raise NotOffered(
            f"Sandboxes cannot see {beside_data} without the launcher's data folder.",
            hint=f"Install Python {version} elsewhere (package python{version}), or move the data.",
        )
    raise NotOffered(
        f"Python {version} is not installed on this machine.",
        hint=f"Install it (package python{version}), or use runtime: docker.",
    )


def every_python(*, data: Path) -> list[Path]:
    """The interpreters of all versions that environments can ask for."""
    return [find_python(one, data=data) for one in PYTHONS if has_python(one, data=data)]


def outside_usr(python: Path) -> list[Path]:
    """The interpreter's own tree, where sandboxes do not see it anyway."""
    prefix = python.resolve().parent.parent
    return [] if prefix.is_relative_to("/usr") else [prefix]


def overlap(one: Path, other: Path) -> bool:
    """True where one of the folders is the other, or is inside of it."""
    here, there = one.resolve(), other.resolve()
    return here.is_relative_to(there) or there.is_relative_to(here)
