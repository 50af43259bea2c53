"""setup.py and pyproject.toml: the repository is a package itself, and is installed."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

from envs.errors import BadEnvironment
from envs.readers.files import find_file, read_lines
from envs.recipe import Recipe

NAMES = ("setup.py", "pyproject.toml")


def read(root: Path, recipe: Recipe) -> Recipe:
    """The recipe with the package, if the repository is one.

    A pyproject.toml that only sets up tools, without a project to build, is none: the rule of
    https://repo2docker.readthedocs.io.

    :raises BadEnvironment: pyproject.toml is not TOML.
    """
    used, ignored = [], []
    if find_file(root, "setup.py"):
        used.append("setup.py")
    if find_file(root, "pyproject.toml"):
        if is_package(root):
            used.append("pyproject.toml")
        elif not used:
            reason = "it has no [project] with a [build-system], so there is nothing to install"
            ignored.append(("pyproject.toml", reason))
    return replace(
        recipe,
        package=bool(used),
        used=(*recipe.used, *used),
        ignored=(*recipe.ignored, *ignored),
    )


def is_package(root: Path) -> bool:
    try:
        found = tomllib.loads("\n".join(read_lines(root, "pyproject.toml")))
    except tomllib.TOMLDecodeError as error:
        raise BadEnvironment(f"pyproject.toml is not TOML: {error}.") from error
    return "project" in found and "build-system" in found
