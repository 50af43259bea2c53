"""conda packages without conda: what a build is told to solve and install. No I/O here.

`conda_program.py` does it, inside the build, with py-rattler.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from envs.errors import BadEnvironment
from envs.recipe import Conda

RATTLER = "py-rattler==0.28.0"
FOLDER = ".launcher-conda"
"""In the build's context: the program, its request, the lock and channels of this machine."""
PROGRAM = Path(__file__).with_name("conda_program.py")
COMMERCIAL = {"defaults", "main", "free", "r", "pro", "msys2", "anaconda", "pkgs/main", "pkgs/r"}
"""Anaconda's own channels, which larger organisations must pay for; conda-forge has the same."""


@dataclass(frozen=True)
class Places:
    """Where a build puts what belongs to conda."""

    prefix: str
    """The environment itself."""
    server: str
    """The launcher's venv with the server in it."""
    programs: str
    """Links to the server's programs, found before those of the environment."""
    lock: str
    activate: str
    """A script that sets what the packages want set, sourced before the server starts."""


IN_IMAGE = Places(
    prefix="/srv/conda/env",
    server="/srv/env",
    programs="/srv/server/bin",
    lock="/srv/conda/launcher.lock",
    activate="/srv/conda/activate",
)


def request_of(conda: Conda, urls: tuple[str, ...], places: Places) -> str:
    """What `conda_program.py` reads, as JSON."""
    extras = ["ipykernel", *(["notebook"] if conda.shared else [])]
    if any(re.match(r"(\S+::)?r-", spec) for spec in conda.specs):
        extras.append("r-irkernel")
    request = {
        "file": conda.file,
        "channels": urls,
        "specs": conda.specs,
        "extras": extras,
        "shared": conda.shared,
        **asdict(places),
    }
    return json.dumps(request, indent=1)


def channel_urls(
    names: tuple[str, ...], *, alias: str, channels: Mapping[str, str]
) -> tuple[str, ...]:
    """The addresses of channels: as the settings name them, else below `alias`.

    A name stays a name where there is no alias: the library knows the public ones.
    """
    found = []
    for name in names:
        if name in channels:
            found.append(channels[name])
        elif "://" in name or not alias:
            found.append(name)
        else:
            found.append(f"{alias.rstrip('/')}/{name}")
    return tuple(found)


def channel_names(found: object, path: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The channels that `channels:` lists, conda-forge where it lists none, and notes.

    :raises BadEnvironment: something else than a channel's name or web address.
    """
    if not isinstance(found, list | None):
        raise BadEnvironment(f"{path}: `channels:` must be a list.")
    names, notes = [], []
    for name in found or []:
        text = str(name).rstrip("/")
        if text == "nodefaults":
            continue
        if text in COMMERCIAL:
            notes.append(f"{path}: the channel {text} is taken as conda-forge")
            text = "conda-forge"
        web = re.fullmatch(r"https?://[^\s@?#]+", text)
        if not web and not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)*", text):
            raise BadEnvironment(
                f"{path}: {name!r} is not a conda channel.",
                hint="Write a name such as conda-forge, or an https address. Folders of this "
                "server are named in its settings, below conda.channels.",
            )
        names.append(text)
    return tuple(dict.fromkeys(names)) or ("conda-forge",), tuple(notes)


def install_command(folder: str, cache: str) -> str:
    """A shell command that installs the packages; py-rattler is there for it alone."""
    tool = "/tmp/launcher-rattler"
    return (
        f"uv venv --quiet --python python3 {tool}"
        f" && uv pip install --quiet --python {tool}/bin/python {RATTLER}"
        f" && {tool}/bin/python {folder}/program.py install {folder} {IN_IMAGE.prefix} {cache}"
        f" && rm -rf {tool}"
    )


def environment(places: Places) -> dict[str, str]:
    """Variables that make the environment the one that notebooks and terminals run in."""
    return {
        "CONDA_DIR": str(Path(places.prefix).parent),
        "CONDA_PREFIX": places.prefix,
        "CONDA_DEFAULT_ENV": "env",
        "VIRTUAL_ENV": places.prefix,
        "KERNEL_PYTHON_PREFIX": places.prefix,
        "JUPYTER_PATH": f"{places.prefix}/share/jupyter",
        # The reconcile program's Python: the environment's own may be any version.
        "LAUNCHER_PYTHON": f"{places.server}/bin/python3",
    }
