"""The text of every file that shapes an environment, to find what a tool complained of."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from envs.errors import EnvError
from envs.readers.files import find_file, read_lines
from envs.recipe import Recipe

INCLUDED = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)")
MOST = 20
"""Files; a requirements.txt may name others without an end."""


def read_texts(root: Path, recipe: Recipe) -> dict[str, str]:
    """By path in the repository: the recipe's files, and those that its requirements name."""
    found: dict[str, str] = {}
    todo = [*recipe.used]
    while todo and len(found) < MOST:
        path = todo.pop(0)
        if path in found:
            continue
        try:
            if not find_file(root, path):
                continue
            lines = read_lines(root, path)
        except (EnvError, OSError, ValueError):  # it was the builder's to complain of
            continue
        found[path] = "\n".join(lines)
        named = [match[1] for line in lines if (match := INCLUDED.match(line))]
        folder = posixpath.dirname(path)
        if path.endswith(".txt"):
            todo += [posixpath.normpath(posixpath.join(folder, name)) for name in named]
    return found
