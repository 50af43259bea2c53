"""environment.yml: where it needs nothing but Python and pip, it is built like requirements.txt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from envs.errors import BadEnvironment, NotOffered
from envs.readers.files import read_lines
from envs.readers.python_version import best_python
from envs.readers.requirements import GENERATED, lint
from envs.recipe import Recipe

NAMES = ("environment.yml", "environment.yaml")
KNOWN_KEYS = {"name", "channels", "dependencies", "variables", "prefix", "platforms"}


def read(root: Path, path: str, recipe: Recipe) -> Recipe:
    """:raises BadEnvironment: not of conda's form; :raises NotOffered: it needs conda packages."""
    found = parse(root, path)
    python, pip, conda = recipe.python, list[str](), list[str]()
    for number, entry in enumerate(found.get("dependencies") or [], start=1):
        if isinstance(entry, dict) and set(entry) == {"pip"}:
            pip += [str(line).strip() for line in entry["pip"] or []]
            continue
        spec = re.fullmatch(r"(?:[\w./-]+::)?([A-Za-z0-9._-]+)\s*(.*)", str(entry).strip())
        if not isinstance(entry, str) or not spec:
            raise BadEnvironment(
                f"{path}: dependency {number}, {entry!r}, is not a package.",
                hint="Write `- name=version`, or a list below `- pip:`.",
            )
        name, version = spec[1].lower(), spec[2].strip()
        if name == "python":
            python = best_python(version, path)
        elif name != "pip":
            conda.append(entry)
    if conda:
        raise NotOffered(
            f"{path} asks for conda packages ({', '.join(conda[:6])}"
            f"{' and more' if len(conda) > 6 else ''}), which this launcher does not build.",
            hint="List Python packages below `- pip:` or in requirements.txt, and system "
            "libraries in apt.txt; or use a Dockerfile.",
        )
    warnings = [f"{path} {said}" for said in lint(pip)]
    unknown = sorted(set(found) - KNOWN_KEYS)
    warnings += [f"{path}: {key!r} means nothing to conda and is left out" for key in unknown]
    if path.endswith(".yaml"):
        warnings.append(f"{path}: Binder's own documents call this file environment.yml")
    return replace(
        recipe,
        python=python,
        requirements=str(PurePosixPath(path).parent / GENERATED) if pip else "",
        generated="".join(f"{line}\n" for line in pip),
        variables=variables(found.get("variables"), path),
        warnings=(*recipe.warnings, *warnings),
    )


def parse(root: Path, path: str) -> Mapping[str, Any]:
    try:
        found = yaml.safe_load("\n".join(read_lines(root, path)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise BadEnvironment(
            f"{path}{line} is not YAML: {getattr(error, 'problem', '') or error}.",
            hint="Check the indentation and the dashes.",
        ) from error
    found = {} if found is None else found
    entries = found.get("dependencies") if isinstance(found, dict) else 0
    if not isinstance(found, dict) or not isinstance(entries, list | None):
        raise BadEnvironment(f"{path} has no list `dependencies:`.", hint="See docs.conda.io.")
    return found


def variables(found: Any, path: str) -> tuple[tuple[str, str], ...]:
    """The environment variables that `variables:` sets.

    :raises BadEnvironment: a name or value that no environment can hold.
    """
    if found is None:
        return ()
    if not isinstance(found, dict):
        raise BadEnvironment(f"{path}: `variables:` must hold `NAME: value` lines.")
    for name, value in found.items():
        bad = not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name))
        if bad or re.search(r"[\x00-\x1f]", str(value)) or isinstance(value, dict | list):
            raise BadEnvironment(f"{path}: the variable {name!r} cannot be set.")
    return tuple((str(name), str(value)) for name, value in found.items())
