"""Project.toml, default.nix: languages that are left to repo2docker; REQUIRE is gone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from envs.errors import BadEnvironment
from envs.readers import apt, post_build, start
from envs.readers.files import find_file
from envs.recipe import Recipe

KIND = "repo2docker"
REQUIRE = "REQUIRE"


@dataclass(frozen=True)
class Language:
    """One that repo2docker builds, by https://repo2docker.readthedocs.io."""

    name: str
    files: tuple[str, ...]
    """The first that is there decides."""
    beside: tuple[str, ...]
    """Files that count as well."""


SYSTEM = (apt.NAME, post_build.NAME, start.NAME)
PYTHON = ("environment.yml", "environment.yaml", "requirements.txt", "setup.py", "pyproject.toml")
LANGUAGES = (
    Language("Julia", ("JuliaProject.toml", "Project.toml"), ("Manifest.toml", *PYTHON, *SYSTEM)),
    Language("Nix", ("default.nix",), SYSTEM),
)
NAMES = (REQUIRE, *(name for language in LANGUAGES for name in language.files))


def read(root: Path, prefix: str, recipe: Recipe, known: set[str]) -> Recipe | None:
    """The recipe of a language that is not built here; None where no file asks for one.

    `known` are the names of all files that can count in some environment.

    :raises BadEnvironment: REQUIRE, which no tool builds any more.
    """
    for language in LANGUAGES:
        names = [name for name in language.files if find_file(root, f"{prefix}{name}")]
        if names:
            return of_language(root, prefix, recipe, names[0], language, known)
        if find_file(root, f"{prefix}{REQUIRE}"):
            raise BadEnvironment(
                f"{prefix}{REQUIRE} was how Julia's packages were named before Julia 1.0.",
                hint="Make a Project.toml of it: julia --project=. -e 'using Pkg; Pkg.add(...)'.",
            )
    return None


def of_language(
    root: Path, prefix: str, recipe: Recipe, file: str, language: Language, known: set[str]
) -> Recipe:
    used, ignored = [f"{prefix}{file}"], list(recipe.ignored)
    for name in sorted({*known, *language.beside} - {file}):
        path = f"{prefix}{name}"
        if not find_file(root, path):
            continue
        if name in language.beside and not (prefix and name in PYTHON[-2:]):
            used.append(path)
        else:
            ignored.append((path, f"{file} says that this is {language.name}"))
    if f"{prefix}{apt.NAME}" in used:  # checked here, because repo2docker lets commands through
        apt.read(root, f"{prefix}{apt.NAME}", recipe)
    return replace(
        recipe,
        kind=KIND,
        delegated=f"{prefix}{file} asks for {language.name}",
        used=tuple(used),
        ignored=tuple(ignored),
    )


def hand_over(recipe: Recipe, why: str) -> Recipe:
    """The same files, for repo2docker."""
    return replace(recipe, kind=KIND, delegated=why)
