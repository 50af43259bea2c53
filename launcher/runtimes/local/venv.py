"""The commands that make an environment's venv. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import uv

from envs.base import LEAN
from envs.recipe import Recipe
from envs.render import LOCK
from launcher.runtimes.local import conda

LOCK_FILE = "launcher.lock"
"""What an environment holds, in its place."""


def venv_steps(
    recipe: Recipe, *, place: Path, python: Path, server: Sequence[str], cache: Path
) -> list[list[str]]:
    """The commands that make the recipe's venv. No I/O here."""
    tool = uv.find_uv_bin()
    install = [tool, "pip", "install", "--quiet", "--compile-bytecode", "--link-mode=copy"]
    if recipe.lock:
        install += ["--constraint", LOCK]
    lean = [str(place / "venv" / "bin" / "python"), str(place / LEAN.name)]
    requirements = ["--requirements", recipe.requirements] if recipe.requirements else []
    steps = [
        [tool, "venv", "--quiet", "--seed", "--python", str(python), str(place / "venv")],
        [*install, *([] if recipe.conda else requirements), "--", *server],
    ]
    if recipe.conda:
        # The venv's own Python from here on: VIRTUAL_ENV is conda's environment as soon as it is.
        steps += conda.install_steps(place, python=python, cache=cache)
        steps += [[*install, *requirements]] if requirements else []
        steps.append(conda.finish_step(place))
    steps.append([*lean, "base"])
    if recipe.package:
        steps.append([*install, "."])
    if recipe.post_build:
        steps += [
            ["sed", "-i", "s/\\r$//", recipe.post_build],
            ["chmod", "+x", recipe.post_build],
            ["bash", "-c", 'head -c2 "$1" | grep -q "#!" && exec "$1"; exec bash "$1"', "postBuild",
             f"./{recipe.post_build}"],
        ]  # fmt: skip
    freeze = '"$1" pip freeze --quiet --no-cache > "$2"'
    lock = str(place / LOCK_FILE)
    steps.append(["bash", "-c", freeze, "freeze", tool, lock])
    if recipe.conda:
        steps.append(["bash", "-c", 'cat "$1" >> "$2"', "lock", conda.places_in(place).lock, lock])
    steps.append([*lean, "environment", "."])
    if recipe.start:
        steps += [["sed", "-i", "s/\\r$//", recipe.start], ["chmod", "+x", recipe.start]]
    return steps
