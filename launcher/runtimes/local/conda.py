"""conda packages without an engine: an environment beside the venv that holds the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import uv

from envs.conda import PROGRAM, RATTLER, Places, environment, request_of
from envs.lock import conda_part
from envs.recipe import Conda

STEPS = "conda-build"
"""The folder with the program and its request; removed with the tool after the build."""


def places_in(place: Path) -> Places:
    return Places(
        prefix=str(place / "conda/env"),
        server=str(place / "venv"),
        programs=str(place / "programs"),
        lock=str(place / "conda/launcher.lock"),
        activate=str(place / "conda/activate"),
    )


def write_request(conda: Conda, place: Path, *, urls: tuple[str, ...], lock: str) -> None:
    """What the program needs, where the build can read it and nobody else has written yet."""
    folder = place / STEPS
    folder.mkdir(mode=0o755)
    (place / "conda").mkdir()
    (folder / "program.py").write_text(PROGRAM.read_text("utf-8"), "utf-8")
    (folder / "request.json").write_text(request_of(conda, urls, places_in(place)), "utf-8")
    if conda_part(lock):
        (folder / "lock").write_text(conda_part(lock), "utf-8")


def install_steps(place: Path, *, python: Path, cache: Path) -> list[list[str]]:
    """The commands that make the environment, before anything of pip comes into it."""
    tool, program = f"{place}/{STEPS}/rattler", f"{place}/{STEPS}/program.py"
    uv_program = uv.find_uv_bin()
    return [
        [uv_program, "venv", "--quiet", "--python", str(python), tool],
        [uv_program, "pip", "install", "--quiet", "--python", f"{tool}/bin/python", RATTLER],
        [f"{tool}/bin/python", program, "install", f"{place}/{STEPS}", f"{place}/conda/env",
         str(cache / "conda")],
    ]  # fmt: skip


def finish_step(place: Path) -> list[str]:
    program = f"{place}/{STEPS}/program.py"
    return [f"{place}/venv/bin/python", program, "finish", f"{place}/{STEPS}",
            f"{place}/conda/env", "-"]  # fmt: skip


def variables(place: Path, path: str) -> Mapping[str, str]:
    """What sessions of the image need, where it has conda packages; `path` is PATH without."""
    if not (place / "conda/env").is_dir():
        return {}
    places = places_in(place)
    home, _, rest = path.partition(":")
    return {
        **environment(places),
        "PATH": f"{home}:{places.programs}:{places.prefix}/bin:{rest}",
    }


def activated(place: Path, command: Sequence[str]) -> list[str]:
    """The command with what the packages want set; as it is where there are none."""
    activate = places_in(place).activate
    if not Path(activate).is_file():
        return list(command)
    return ["/bin/bash", "-c", '. "$1"; shift; exec "$@"', "start", activate, *command]


def server_python(place: Path) -> str:
    """The Python of the server: the launcher's, unless the environment brings JupyterLab."""
    places = places_in(place)
    own = Path(places.activate).is_file() and not Path(places.programs).is_dir()
    return f"{places.prefix if own else places.server}/bin/python"
