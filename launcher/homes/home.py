"""Where a student's work lives: one folder per student and course, on the host."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Homes:
    """All students' folders. One is never removed here: `bin.py` moves it away, whole."""

    folder: Path

    def path(self, student: str, course: str) -> Path:
        """The student's folder for the course; it may not exist yet.

        :raises ValueError: a name that is not one plain part of a path.
        """
        for name in (student, course):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
                raise ValueError(f"{name!r} cannot name a folder")
        return self.folder / student / course

    def students(self) -> list[str]:
        """Everybody who has a folder."""
        return plain_folders(self.folder)

    def courses(self, student: str) -> list[str]:
        """The courses that the student has a folder for."""
        return plain_folders(self.folder / student)

    def notes(self, student: str, course: str) -> list[Path]:
        """What is remembered beside the folder of what was pulled into it."""
        return sorted(self.path(student, course).parent.glob(f".delivered-{course}-*"))

    def changed(self, student: str, course: str) -> float:
        """When the folder, or what was pulled into it, changed last, in Unix seconds."""
        known = [self.path(student, course), *self.notes(student, course)]
        return max((one.lstat().st_mtime for one in known if os.path.lexists(one)), default=0.0)


def plain_folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            names = [one.name for one in found if one.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return sorted(name for name in names if not name.startswith("."))


def has_server_settings(home: Path) -> bool:
    """True where a Jupyter server would read settings of the student's when it starts.

    Those of JupyterLab's pages and of kernels are read later, and count for every session.
    """
    for folder, sign in ((".jupyter", "_config"), (".local/etc", "jupyter")):
        try:
            with folder_below(home, folder) as handle:
                if any(sign in name for name in os.listdir(handle)):
                    return True
        except FileNotFoundError:
            continue
        except OSError:
            return True  # whatever it is, a server that starts now sees it as it is
    return False


@contextlib.contextmanager
def folder_below(home: Path, path: str) -> Iterator[int]:
    """A handle of a folder in a student's home; a link that the student made is never followed.

    :raises OSError: there is none.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    with contextlib.ExitStack() as opened:
        handle = os.open(home, flags)
        opened.callback(os.close, handle)
        for part in path.split("/") if path else ():
            handle = os.open(part, flags, dir_fd=handle)
            opened.callback(os.close, handle)
        yield handle


def plain_address(address: str) -> str:
    """A repository's address as every link to its course has it.

    A trailing `/` or `.git` and the host's upper case make no other course.
    """
    plain = re.sub(r"(\.git)?/*$", "", address.strip())
    scheme, found, rest = plain.partition("://")
    if not found:
        return plain
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}://{host.lower()}{slash}{path}"


@functools.lru_cache(maxsize=256)
def course_name(address: str) -> str:
    """The course that a repository's address stands for, as a folder name.

    The hash keeps two repositories of one last part apart. It is short: who looks for an address
    with the same name finds one, so `launcher/content/delivered.py` compares addresses as well.
    """
    plain = plain_address(address)
    last = re.split(r"[/:]", plain)[-1]
    slug = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-") or "course"
    return f"{slug}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
