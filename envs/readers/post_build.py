"""postBuild: a program that runs once, at the end of the build, as the session's user."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from envs.readers.files import read_lines
from envs.recipe import Recipe

NAME = "postBuild"


def read(root: Path, path: str, recipe: Recipe) -> Recipe:
    return replace(
        recipe, post_build=path, warnings=(*recipe.warnings, *script_warnings(root, path))
    )


def script_warnings(root: Path, path: str) -> list[str]:
    """What is mended at build time, said so that its author can mend it for good."""
    said = []
    if not (read_lines(root, path) or [""])[0].startswith("#!"):
        said.append(f"{path} does not begin with #!: it is run by bash")
    if b"\r\n" in (root / path).read_bytes():
        said.append(f"{path} has Windows line ends: they are removed for the build")
    if not (root / path).stat().st_mode & 0o111:
        said.append(f"{path} is not executable: it is made so for the build")
    return said
