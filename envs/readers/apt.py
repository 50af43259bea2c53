"""apt.txt: one Debian package per line, `name` or `name=version`, `#` begins a comment."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from envs.errors import BadEnvironment
from envs.readers.files import read_lines
from envs.recipe import Recipe

NAME = "apt.txt"
# Debian policy 5.6.1 and 5.6.12: what names and versions are made of. Anchored at both ends.
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+~:-]+)?")


def read(root: Path, path: str, recipe: Recipe) -> Recipe:
    """:raises BadEnvironment: a line is no package, with its number."""
    packages = set()
    for number, line in enumerate(read_lines(root, path), start=1):
        for name in line.split("#", 1)[0].split():
            if not PACKAGE.fullmatch(name):
                raise BadEnvironment(
                    f"{path} line {number}: {name!r} is not the name of a Debian package.",
                    hint="Write one package per line, for example graphviz.",
                )
            packages.add(name)
    return replace(recipe, apt=tuple(sorted({*recipe.apt, *packages})))
