"""runtime.txt: the version of the language, `python-3.11`; for `r-...` see `r.py`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from envs.errors import BadEnvironment
from envs.readers.files import read_lines
from envs.recipe import Recipe

NAME = "runtime.txt"


def read(root: Path, path: str, recipe: Recipe) -> Recipe:
    """:raises BadEnvironment: not of the form."""
    text = " ".join(line.strip() for line in read_lines(root, path)).strip()
    found = re.fullmatch(r"python-(3(?:\.\d+){0,2}|2(?:\.\d+){0,2})", text)
    if not found:
        raise BadEnvironment(
            f"{path} says {text!r}.", hint="Write one line such as python-3.11 in it."
        )
    version = ".".join(found[1].split(".")[:2])
    return replace(recipe, python=recipe.python if version == "3" else version)
