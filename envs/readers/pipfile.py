"""Pipfile.lock, or Pipfile where there is no lock: pipenv's packages, installed by uv."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from envs.errors import BadEnvironment
from envs.readers.files import read_lines
from envs.readers.python_version import best_python
from envs.readers.requirements import GENERATED
from envs.recipe import Recipe

NAMES = ("Pipfile.lock", "Pipfile")


def read(root: Path, path: str, recipe: Recipe) -> Recipe:
    """:raises BadEnvironment: it cannot be read as what it is."""
    locked = path.endswith(".lock")
    text = "\n".join(read_lines(root, path))
    try:
        found: Any = json.loads(text) if locked else tomllib.loads(text)
        sections = ("default", "develop") if locked else ("packages", "dev-packages")
        packages = {name: how for part in sections for name, how in found.get(part, {}).items()}
        lines = [line_of(name, how) for name, how in sorted(packages.items())]
        requires = (found.get("_meta", {}) if locked else found).get("requires", {})
    except (ValueError, AttributeError, TypeError) as error:
        raise BadEnvironment(
            f"{path} cannot be read: {error}.", hint="Make it again with pipenv lock."
        ) from error
    wanted = str(requires.get("python_version") or requires.get("python_full_version") or "")
    note = f"{path}: without Pipfile.lock the newest versions are installed"
    return replace(
        recipe,
        python=best_python(wanted, path) if wanted else recipe.python,
        requirements=str(PurePosixPath(path).parent / GENERATED) if lines else "",
        generated="".join(f"{line}\n" for line in lines),
        warnings=recipe.warnings if locked else (*recipe.warnings, note),
    )


def line_of(name: str, how: str | Mapping[str, Any]) -> str:
    """One package as a line of requirements.txt."""
    if isinstance(how, str):
        return name if how == "*" else f"{name}{how}"
    if "path" in how or "file" in how:
        place = how.get("path") or how["file"]
        return f"-e {place}" if how.get("editable") else str(place)
    extras = f"[{','.join(how['extras'])}]" if how.get("extras") else ""
    marker = f" ; {how['markers']}" if how.get("markers") else ""
    if "git" in how:
        ref = f"@{how['ref']}" if how.get("ref") else ""
        return f"{name}{extras} @ git+{how['git']}{ref}{marker}"
    version = how.get("version", "*")
    return f"{name}{extras}{'' if version == '*' else version}{marker}"
