"""Dockerfile: the whole image in its author's hands; it overrides every other file."""

from __future__ import annotations

import re
from pathlib import Path

from envs.errors import BadEnvironment
from envs.readers.files import read_lines
from envs.recipe import Recipe

NAME = "Dockerfile"


def read(
    root: Path,
    prefix: str,
    others: tuple[tuple[str, str], ...],
    outside: tuple[tuple[str, str], ...],
) -> Recipe:
    """:raises BadEnvironment: it has no FROM line."""
    path = f"{prefix}{NAME}"
    lines = read_lines(root, path)
    if not any(re.match(r"\s*FROM\s+\S", line, re.IGNORECASE) for line in lines):
        raise BadEnvironment(f"{path} has no FROM line.", hint="See docs.docker.com/build.")
    return Recipe(kind="dockerfile", dockerfile=path, used=(path,), ignored=(*others, *outside))
