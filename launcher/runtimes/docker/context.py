"""A checkout and a Dockerfile as the tar that the engine builds from."""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from docker.utils import exclude_paths

from envs.errors import BadEnvironment
from envs.readers.files import find_file, read_lines

DOCKERFILE = ".launcher.Dockerfile"
MOST_STARS, MOST_PATTERNS = 4, 500
"""In `.dockerignore`: a line with many wildcards takes for ever to match."""


def with_arguments(lines: list[str]) -> list[str]:
    """The words of the FROM lines, with the defaults of the arguments that they use."""
    text = "\n".join(lines)
    froms = re.findall(r"^\s*FROM\s+(.*)$", text, re.MULTILINE | re.IGNORECASE)
    return filled(" ".join(froms), arguments(text)).split()


def arguments(text: str) -> dict[str, str]:
    """The defaults that a Dockerfile gives to arguments."""
    known: dict[str, str] = {}
    given = re.findall(r"^\s*ARG\s+(\w+)=[\"']?([^\s\"']*)", text, re.MULTILINE | re.IGNORECASE)
    for name, value in given:
        known[name] = filled(value, known)
    return known


def filled(words: str, known: Mapping[str, str]) -> str:
    """Words with the values of the arguments that they use: `$A`, `${A}`, `${A:-default}`."""
    used = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^{}]*))?\})")
    return used.sub(lambda one: known.get(one[1] or one[2]) or one[3] or "", words)


def not_ignored(source: Path, dockerfile: str) -> set[str] | None:
    """The paths that `.dockerignore` leaves in a build; None where there is no such file.

    The engine obeys the file only for clients that send a folder piece by piece, as its own does.
    """
    if not find_file(source, ".dockerignore"):
        return None
    patterns = []
    for number, line in enumerate(read_lines(source, ".dockerignore"), start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            if text.count("*") > MOST_STARS or number > MOST_PATTERNS:
                raise BadEnvironment(
                    f".dockerignore line {number} is too much to match.",
                    hint="Name the folders instead.",
                )
            patterns.append(text)
    try:
        kept = set(exclude_paths(str(source), patterns, dockerfile=dockerfile))
    except re.error as error:
        raise BadEnvironment(f".dockerignore cannot be understood: {error}.") from error
    return kept | {str(above) for path in kept for above in Path(path).parents}


@contextlib.contextmanager
def context_of(
    source: Path,
    dockerfile: str,
    *,
    made: Mapping[str, str] = MappingProxyType({}),
    folders: Mapping[str, Path] = MappingProxyType({}),
    obey_ignore: bool = False,
) -> Iterator[IO[bytes]]:
    """The checkout, files `made` for it, `folders` of this machine and the Dockerfile as a tar.

    Owners and times are fixed, so that caches hold.
    """

    wanted = not_ignored(source, DOCKERFILE) if obey_ignore else None

    def fixed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return as_root(member) if wanted is None or member.name in wanted else None

    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for child in sorted(source.iterdir()):
                tar.add(child, arcname=child.name, filter=fixed)
            for name, folder in folders.items():
                tar.add(folder, arcname=name, filter=as_root)
            for name, content in {**made, DOCKERFILE: dockerfile}.items():
                data = content.encode()
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        file.seek(0)
        yield file


def as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Whatever umask it was made under, every user of the image may read it."""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return member
