"""start: a program that runs before the server in every session and ends with `exec "$@"`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from envs.readers.files import read_lines
from envs.readers.post_build import script_warnings
from envs.recipe import Recipe

NAME = "start"


def read(root: Path, path: str, recipe: Recipe) -> Recipe:
    said = script_warnings(root, path)
    if not any('exec "$@"' in line for line in read_lines(root, path)):
        said.append(f'{path} has no line exec "$@": the session will not start without it')
    return replace(recipe, start=path, warnings=(*recipe.warnings, *said))
