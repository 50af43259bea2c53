"""environment.yml: conda packages, those of pip, and variables.

One that needs nothing but Python and pip is built like a requirements.txt, in a tenth of the time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from envs.conda import channel_names
from envs.errors import BadEnvironment
from envs.readers.files import read_lines
from envs.readers.python_version import best_python
from envs.readers.requirements import GENERATED, lint
from envs.recipe import DEFAULT_PYTHON, Conda, Recipe

NAMES = ("environment.yml", "environment.yaml")
KNOWN_KEYS = {"name", "channels", "dependencies", "variables", "prefix", "platforms"}


def read(root: Path, path: str, recipe: Recipe) -> Recipe:
    """:raises BadEnvironment: not of conda's form; :raises NotOffered: no such Python."""
    found = parse(root, path)
    specs, pip = packages(root, path, found)
    conda, notes = by_conda(path, specs, pip, found.get("channels"))
    small = set(specs) <= {"python", "pip"}
    version = specs.get("python", "python").removeprefix("python")
    warnings = [*(() if small else notes), *(f"{path} {said}" for said in lint(pip))]
    unknown = sorted(set(found) - KNOWN_KEYS)
    warnings += [f"{path}: {key!r} means nothing to conda and is left out" for key in unknown]
    if path.endswith(".yaml"):
        warnings.append(f"{path}: Binder's own documents call this file environment.yml")
    return replace(
        recipe,
        kind=recipe.kind if small else "conda",
        conda=None if small else conda,
        otherwise=conda if small else None,
        python=best_python(version, path) if small and "python" in specs else recipe.python,
        requirements=str(PurePosixPath(path).parent / GENERATED) if pip else "",
        generated="".join(f"{line}\n" for line in pip),
        variables=variables(found.get("variables"), path),
        warnings=(*recipe.warnings, *warnings),
    )


def packages(root: Path, path: str, found: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """conda's packages by their name, each as it is asked for, and the lines for pip.

    :raises BadEnvironment: an entry is neither.
    """
    specs, pip = dict[str, str](), list[str]()
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
        if re.search(r"[=<>!~]$", entry.strip()):
            raise BadEnvironment(
                f"{path}{line_of(root, path, entry)}: {entry!r} ends before its version.",
                hint=f"Write the version, or `- {spec[1]}` alone.",
            )
        specs[spec[1].lower()] = entry.strip()
    return specs, pip


def by_conda(
    path: str, specs: Mapping[str, str], pip: list[str], channels: object
) -> tuple[Conda, tuple[str, ...]]:
    """All that the file asks of conda, and notes.

    :raises BadEnvironment: a channel that is none.
    """
    names, notes = channel_names(channels, path)
    brings = {re.split(r"[\s\[=<>!~;@]", line)[0].lower() for line in pip} | set(specs)
    missing = [] if "python" in specs else [f"python={DEFAULT_PYTHON}"]
    return Conda(path, (*specs.values(), *missing), names, shared="jupyterlab" in brings), notes


def line_of(root: Path, path: str, entry: str) -> str:
    """` line 7` for the entry of a list, or nothing where it is written in another way."""
    for number, line in enumerate(read_lines(root, path), start=1):
        if line.strip().removeprefix("- ").strip(" '\"") == entry.strip():
            return f" line {number}"
    return ""


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
