"""Where a student's work lives: one folder per student and course, on the host."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Homes:
    """All students' folders. A folder is never removed here: stopping a session keeps it."""

    folder: Path

    def path(self, student: str, course: str) -> Path:
        """The student's folder for the course; it may not exist yet.

        :raises ValueError: a name that is not one plain part of a path.
        """
        for name in (student, course):
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
                raise ValueError(f"{name!r} cannot name a folder")
        return self.folder / student / course


def course_name(address: str) -> str:
    """The course that a repository's address stands for, as a folder name.

    The hash keeps two repositories of one last part apart; a trailing `/` or `.git` and the
    host's upper case make no other course, and neither does a branch or an environment's tag.
    """
    plain = re.sub(r"(\.git)?/*$", "", address.strip())
    scheme, found, rest = plain.partition("://")
    if found:
        host, slash, path = rest.partition("/")
        plain = f"{scheme.lower()}://{host.lower()}{slash}{path}"
    last = re.split(r"[/:]", plain)[-1]
    slug = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-") or "course"
    return f"{slug}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
