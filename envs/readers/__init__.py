"""The files that people write, each read by a module of its own, joined into one Recipe.

Which files count, and which win, follows repo2docker: https://repo2docker.readthedocs.io
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from envs.errors import BadEnvironment, NotOffered
from envs.readers import (
    apt,
    delegated,
    dockerfile,
    environment_yml,
    package,
    pipfile,
    post_build,
    r,
    requirements,
    runtime,
    start,
)
from envs.readers.files import find_file
from envs.recipe import DEFAULT_PYTHON, Recipe
from envs.submodules import missing_submodules

CONFIG_FOLDERS = ("binder", ".binder")
READERS = (runtime, apt, requirements, post_build, start)
"""Siblings: each has `NAME` and `read(path, recipe) -> Recipe`."""
WHOLE = (
    (environment_yml, (requirements.NAME, runtime.NAME, *pipfile.NAMES, *package.NAMES)),
    (pipfile, (requirements.NAME, *package.NAMES)),
)
"""Files that say all of the Python packages, the first that is there counts, and what they hide."""
KNOWN = {*delegated.NAMES, *r.NAMES, *environment_yml.NAMES, *pipfile.NAMES, *package.NAMES}


def read_recipe(root: Path, *, delegate: bool = False) -> Recipe:
    """What the environment repository checked out in `root` asks for.

    `delegate` leaves it to repo2docker whatever it is.

    :raises BadEnvironment: files that contradict each other or cannot be understood.
    :raises NotOffered: a file of a kind that this launcher does not build.
    """
    try:
        recipe = read_files(root)
    except NotOffered:
        if not delegate:
            raise
        recipe = Recipe(kind=delegated.KIND, warnings=("repo2docker says what it uses",))
    return delegated.hand_over(recipe, "The settings choose repo2docker") if delegate else recipe


def read_files(root: Path) -> Recipe:
    """The same, for the launcher's own builder where it can."""
    folder = config_folder(root)
    prefix = f"{folder}/" if folder else ""
    outside = [
        (name, f"{folder}/ exists, so only files in it count")
        for name in sorted({reader.NAME for reader in READERS} | {dockerfile.NAME} | KNOWN)
        if folder and (root / name).is_file()
    ]
    if find_file(root, f"{prefix}{dockerfile.NAME}"):
        return with_notes(dockerfile.read(root, prefix, others(root, prefix), tuple(outside)), root)
    empty = Recipe(kind="python", ignored=tuple(outside))
    other = delegated.read(root, prefix, empty, KNOWN | {reader.NAME for reader in READERS})
    if other:
        return with_notes(other, root)
    whole = [name for reader, _ in WHOLE for name in reader.NAMES]
    alone = not any(find_file(root, f"{prefix}{name}") for name in whole)
    recipe = r.read(root, prefix, empty, alone=alone)
    recipe, hidden = read_whole(root, prefix, recipe)
    for reader in READERS:
        path = f"{prefix}{reader.NAME}"
        if reader.NAME not in hidden and find_file(root, path):
            recipe = reader.read(root, path, recipe)
            recipe = replace(recipe, used=(*recipe.used, path))
    if not folder and not hidden & set(package.NAMES):
        recipe = package.read(root, recipe)
    if not recipe.used:
        note = f"No environment file found: using the default environment (Python {DEFAULT_PYTHON})"
        recipe = replace(recipe, warnings=(*recipe.warnings, note))
    return with_notes(recipe, root)


def read_whole(root: Path, prefix: str, recipe: Recipe) -> tuple[Recipe, set[str]]:
    """The recipe with the file that names all packages, if any, and the names that it hides."""
    done = {one for one in (runtime.NAME,) if f"{prefix}{one}" in recipe.used}
    for reader, all_hidden in WHOLE:
        hides: tuple[str, ...] = all_hidden
        names = [name for name in reader.NAMES if find_file(root, f"{prefix}{name}")]
        if not names:
            continue
        if recipe.r and reader is pipfile:
            reason = "beside R, Python's packages come from requirements.txt or environment.yml"
            ignored = [(f"{prefix}{name}", reason) for name in names]
            return replace(recipe, ignored=(*recipe.ignored, *ignored)), done
        if recipe.r:  # the one case where both count, as in repo2docker
            hides = tuple(one for one in hides if one not in (requirements.NAME, *package.NAMES))
        try:
            recipe = reader.read(root, f"{prefix}{names[0]}", recipe)
        except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
            raise BadEnvironment(  # YAML, JSON and TOML can hold anything at any place
                f"{prefix}{names[0]} cannot be understood: {error}.", hint="Write it anew."
            ) from error
        ignored = [
            (f"{prefix}{name}", f"{names[0]} says all of the packages")
            for name in (*names[1:], *hides)
            if name not in {*names[:1], *done} and (root / f"{prefix}{name}").is_file()
        ]
        used = (*recipe.used, f"{prefix}{names[0]}")
        return replace(recipe, used=used, ignored=(*recipe.ignored, *ignored)), {*hides, *done}
    return recipe, done


def with_notes(recipe: Recipe, root: Path) -> Recipe:
    """The recipe, with what the checkout lacks among its warnings."""
    notes = [
        f"The submodule {path} is left out: it is private, or this server may not fetch it"
        for path in missing_submodules(root)
    ]
    return replace(recipe, warnings=(*recipe.warnings, *notes))


def config_folder(root: Path) -> str:
    """`binder`, `.binder` or empty for the root: the one folder whose files count."""
    found = [name for name in CONFIG_FOLDERS if (root / name).is_dir()]
    if len(found) > 1:
        raise BadEnvironment(
            "The repository has both binder/ and .binder/.", hint="Keep one of the two folders."
        )
    return found[0] if found else ""


def others(root: Path, prefix: str) -> tuple[tuple[str, str], ...]:
    """Files that a Dockerfile overrides, each with the reason."""
    names = {*(reader.NAME for reader in READERS), *KNOWN}
    return tuple(
        (f"{prefix}{name}", "the Dockerfile overrides every other file")
        for name in sorted(names)
        if (root / f"{prefix}{name}").is_file()
    )
