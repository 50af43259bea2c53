"""The Python interpreters of this machine that venvs stand on."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from envs.errors import NotOffered


def has_python(version: str) -> bool:
    try:
        return bool(find_python(version))
    except NotOffered:
        return False


def find_python(version: str) -> Path:
    """An interpreter of this version on this machine; the system's own first.

    :raises NotOffered: there is none.
    """
    candidates = [f"/usr/bin/python{version}", shutil.which(f"python{version}") or ""]
    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        candidates.append(str(Path(sys.base_prefix, "bin", f"python{version}")))
    for candidate in candidates:
        if candidate and Path(candidate).exists() and "/shims/" not in candidate:
            return Path(candidate)
    raise NotOffered(
        f"Python {version} is not installed on this machine.",
        hint=f"Install it (package python{version}), or use runtime: docker.",
    )


def find_python_of(place: Path, step: Sequence[str]) -> Path:
    """The interpreter that the venv stands on, or the one that it is being made from."""
    with contextlib.suppress(OSError):
        for line in (place / "venv" / "pyvenv.cfg").read_text("utf-8").splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "home":
                return Path(value.strip(), "python3")
    return (
        Path(step[step.index("--python") + 1]) if "--python" in step else Path("/usr/bin/python3")
    )


def outside_usr(python: Path) -> list[Path]:
    """The interpreter's own tree, where sandboxes do not see it anyway."""
    prefix = python.resolve().parent.parent
    return [] if str(prefix).startswith("/usr") else [prefix]
