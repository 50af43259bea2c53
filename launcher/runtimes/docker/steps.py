"""The Dockerfiles that the launcher itself renders, as steps. No I/O here.

Only their own few instructions, each on one line; nobody else's Dockerfile comes here.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

ROOT = "root"
CONFIG = ("ENTRYPOINT", "CMD", "EXPOSE")


@dataclass(frozen=True)
class Mount:
    """A cache, or a folder of the context, that a step sees."""

    kind: str
    """`cache` or `bind`."""
    target: str
    source: str = ""
    owner: str = "0:0"
    locked: bool = False
    """True when one step at a time may use the cache."""


@dataclass(frozen=True)
class Run:
    """A shell command."""

    text: str
    command: str
    user: str
    workdir: str
    environment: dict[str, str]
    mounts: tuple[Mount, ...] = ()


@dataclass(frozen=True)
class Copy:
    """A file or folder of the context that goes into the image."""

    text: str
    source: str
    target: str
    owner: str


@dataclass(frozen=True)
class Script:
    """A whole Dockerfile."""

    base: str
    steps: tuple[Run | Copy, ...]
    user: str = ""
    workdir: str = ""
    environment: tuple[str, ...] = ()
    """The ENV lines."""
    config: tuple[str, ...] = ()
    """The lines of what only the image's configuration knows."""


def parse_script(text: str) -> Script:
    """:raises ValueError: an instruction that the launcher never writes."""
    base, user, workdir = "", "", ""
    environment: dict[str, str] = {}
    steps: list[Run | Copy] = []
    env_lines, config = list[str](), list[str]()
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base = rest
        elif word == "USER":
            user = rest
        elif word == "WORKDIR":
            workdir = rest
        elif word == "ENV":
            name, value = parse_env(rest)
            environment = {**environment, name: value}
            env_lines.append(line)
        elif word == "RUN":
            mounts, command = parse_mounts(rest)
            steps.append(Run(line, command, user or ROOT, workdir or "/", environment, mounts))
        elif word == "COPY":
            steps.append(parse_copy(line, rest))
        elif word in CONFIG:
            config.append(line)
        else:
            raise ValueError(f"{word} is no instruction of a rendered Dockerfile")
    return Script(base, tuple(steps), user, workdir, tuple(env_lines), tuple(config))


def parse_env(rest: str) -> tuple[str, str]:
    """`NAME=value`; in quotes with backslashes before what a Dockerfile would read."""
    name, _, value = rest.partition("=")
    if value.startswith('"'):
        return name, re.sub(r'\\([\\"$])', r"\1", value[1:-1])
    if re.search(r"[\s$\\'\"]", value):
        raise ValueError(f"ENV {name} is not a plain value")
    return name, value


def parse_mounts(rest: str) -> tuple[tuple[Mount, ...], str]:
    """The mounts of a RUN line, and its command."""
    mounts = []
    while rest.startswith("--mount="):
        option, _, rest = rest.partition(" ")
        known = dict(one.partition("=")[::2] for one in option.removeprefix("--mount=").split(","))
        if known["type"] not in ("cache", "bind") or "from" in known:
            raise ValueError(f"{option} is no mount of a rendered Dockerfile")
        owner = f"{known.get('uid', '0')}:{known.get('gid', '0')}"
        locked = known.get("sharing") == "locked"
        mounts.append(Mount(known["type"], known["target"], known.get("source", ""), owner, locked))
    return tuple(mounts), rest


def parse_copy(line: str, rest: str) -> Copy:
    owner = "0:0"
    if rest.startswith("--chown="):
        option, _, rest = rest.partition(" ")
        owner = option.removeprefix("--chown=")
    source, target = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
    return Copy(line, source, target, owner)


def copied(paths: list[str], copy: Copy | Mount) -> Iterator[tuple[str, str]]:
    """Each path of the context that is copied, with where it goes.

    A folder's content goes into the target; a file becomes the target.
    """
    source = posixpath.normpath(copy.source)
    for path in paths:
        clean = posixpath.normpath(path)
        if source == ".":
            yield path, posixpath.join(copy.target, clean)
        elif clean == source:
            yield path, copy.target
        elif clean.startswith(f"{source}/"):
            yield path, posixpath.join(copy.target, posixpath.relpath(clean, source))
