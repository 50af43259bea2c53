"""requirements.txt: Python packages, as pip reads them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from envs.readers.files import read_lines
from envs.recipe import Recipe

NAME = "requirements.txt"
GENERATED = ".launcher-requirements.txt"
"""What other files ask of pip is written to, beside them, for the build."""
MANY = 150
"""More pinned packages than this look like a whole machine's `pip freeze`."""


def read(root: Path, path: str, recipe: Recipe) -> Recipe:
    lines = read_lines(root, path)
    warnings = [*recipe.warnings, *(f"{path} {said}" for said in lint(lines))]
    if recipe.generated:  # by a file beside it that counts as well
        both = f"{recipe.generated}-r {NAME}\n"
        return replace(recipe, generated=both, warnings=tuple(warnings))
    return replace(recipe, requirements=path, warnings=tuple(warnings))


def lint(lines: list[str]) -> list[str]:
    """What is likely to fail elsewhere than on its author's machine, with line numbers."""
    said = []
    for number, line in enumerate(lines, start=1):
        text = line.split("#", 1)[0].strip()
        if "file://" in text:
            said.append(f"line {number}: {text!r} names a file of one machine")
        if re.match(r"(pywin32|pypiwin32|win\w*pty|wincertstore)\b", text, re.IGNORECASE):
            said.append(f"line {number}: {text!r} exists for Windows only")
    if sum("==" in line for line in lines) > MANY:
        said.append(f"pins more than {MANY} packages: list only those that you really need")
    return said


def refers_to_repository(root: Path, recipe: Recipe) -> bool:
    """True when a line needs other files of the repository (`-e .`, `-r other.txt`, `./x`)."""
    if not recipe.requirements:
        return False
    lines = recipe.generated.splitlines() or read_lines(root, recipe.requirements)
    local = re.compile(r"\s*(-e|--editable|-r|--requirement|-c|--constraint|\.|/|file:)")
    return any(local.match(line) or "@ file:" in line for line in lines)
