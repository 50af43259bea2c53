"""The packages of a lock, and how two locks differ. No I/O here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

CONDA = re.compile(r"\S*/([^/\s]+)-([^-/\s]+)-[^-/\s]+\.(?:conda|tar\.bz2)(?:#\w*)?")
"""`<address>/<name>-<version>-<build>.conda#<hash>`."""


@dataclass(frozen=True)
class Difference:
    """What an environment has that an earlier one had not, and the other way round."""

    added: tuple[tuple[str, str], ...]
    """Names and versions, sorted, as in the next two."""
    removed: tuple[tuple[str, str], ...]
    changed: tuple[tuple[str, str, str], ...]
    """Name, the earlier version and the later one."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def packages_of(lock: str) -> dict[str, str]:
    """The version of each package, sorted by name; where one from git or a folder is from."""
    found = {}
    for line in lock.splitlines():
        text = line.strip()
        name, sep, version = text.partition("==")
        if not sep:
            name, sep, version = text.partition(" @ ")
        conda = CONDA.fullmatch(text)
        if conda:
            name, version = conda[1], conda[2]
        if name and not name.startswith(("#", "-")):
            found[name] = version
    return dict(sorted(found.items(), key=lambda one: one[0].lower()))


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    return Difference(
        added=tuple((name, after[name]) for name in after if name not in before),
        removed=tuple((name, before[name]) for name in before if name not in after),
        changed=tuple(
            (name, before[name], after[name])
            for name in after
            if name in before and before[name] != after[name]
        ),
    )
