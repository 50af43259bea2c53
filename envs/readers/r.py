"""R: runtime.txt with `r-...`, DESCRIPTION of a package in the root, install.R with commands.

The first two choose R, as in https://repo2docker.readthedocs.io; install.R alone does so here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

from envs.errors import BadEnvironment
from envs.readers.files import find_file, read_lines
from envs.recipe import Recipe

SCRIPT, PACKAGE, RUNTIME = "install.R", "DESCRIPTION", "runtime.txt"
NAMES = (SCRIPT, PACKAGE)
ANY = "any"
OLDEST = "2018-12-07"
"""No public service has whole snapshots of CRAN from before; repo2docker's rule."""


def read(root: Path, prefix: str, recipe: Recipe, *, alone: bool) -> Recipe:
    """The recipe with R, if runtime.txt or DESCRIPTION ask for it, or install.R does so `alone`.

    `alone` is false where another file says which language it is, and what is in it.

    :raises BadEnvironment: runtime.txt says `r-` and then nothing that is known.
    """
    runtime = f"{prefix}{RUNTIME}"
    if find_file(root, runtime) and first_word(root, runtime).startswith("r-"):
        version, day = parse(first_word(root, runtime), runtime)
        recipe = replace(recipe, r=version, r_date=day, used=(*recipe.used, runtime))
    recipe = read_package(root, prefix, recipe)
    script = f"{prefix}{SCRIPT}"
    if not find_file(root, script):
        return recipe
    if recipe.r or alone:
        recipe = with_devtools(root, script, recipe)
        note = f"{script} alone brings R here; for Binder, too, add runtime.txt with r-2025-06-01"
        return replace(
            recipe,
            r=recipe.r or ANY,
            r_script=script,
            used=(*recipe.used, script),
            warnings=recipe.warnings if recipe.r else (*recipe.warnings, note),
        )
    reason = "another file says all of the packages; for R write r-2025-06-01 in runtime.txt"
    return replace(recipe, ignored=(*recipe.ignored, (script, reason)))


def with_devtools(root: Path, script: str, recipe: Recipe) -> Recipe:
    """devtools is there on Binder; it is large, so here only for a script that calls it."""
    text = "\n".join(line.split("#", 1)[0] for line in read_lines(root, script))
    if not re.search(r"\bdevtools::|\b(library|require)\(['\"]?devtools\b", text):
        return recipe
    note = f"{script} calls devtools, so Debian's r-cran-devtools is installed"
    return replace(recipe, apt=(*recipe.apt, "r-cran-devtools"), warnings=(*recipe.warnings, note))


def read_package(root: Path, prefix: str, recipe: Recipe) -> Recipe:
    path = f"{prefix}{PACKAGE}"
    if not find_file(root, path):
        return recipe
    if prefix:
        reason = "a package is installed only from the root, without binder/"
    elif not any(line.startswith("Package:") for line in read_lines(root, path)):
        reason = "it has no line Package:, so it is not R's"
    else:
        return replace(recipe, r=recipe.r or ANY, r_package=True, used=(*recipe.used, path))
    return replace(recipe, ignored=(*recipe.ignored, (path, reason)))


def parse(text: str, path: str) -> tuple[str, str]:
    """Version, `any` if none is named, and date, empty if none, of `r-4.2-2024-03-01`.

    :raises BadEnvironment: not of the form, or a date without a snapshot.
    """
    found = re.fullmatch(
        r"r(?:-(\d+\.\d+)(?:[.-]\d+)?)?(?:-(\d{4}-\d\d-\d\d))?", text, flags=re.ASCII
    )
    version, day = (found[1] or "", found[2] or "") if found else ("", "")
    if not version and not day:
        raise BadEnvironment(
            f"{path} says {text!r}.", hint="Write one line such as r-2025-06-01 in it."
        )
    try:
        early = bool(day) and date.fromisoformat(day) < date.fromisoformat(OLDEST)
    except ValueError as error:
        raise BadEnvironment(f"{path}: {day} is no date.", hint="Mend it.") from error
    if early:
        raise BadEnvironment(
            f"{path}: there is no snapshot of CRAN from {day}.", hint=f"The first is of {OLDEST}."
        )
    return version or ANY, day


def first_word(root: Path, path: str) -> str:
    return " ".join(line.strip() for line in read_lines(root, path)).strip()


def asked_by(recipe: Recipe) -> str:
    """The file that R comes from."""
    names = (RUNTIME, *NAMES)
    return next((path for path in recipe.used if path.rsplit("/", 1)[-1] in names), RUNTIME)
