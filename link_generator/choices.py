"""What the page offers to choose from, and which of it fits what was typed. No I/O here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

MOST = 60
"""Choices that are shown at a time; what is typed narrows them."""


@dataclass(frozen=True)
class Choice:
    """One of the things that a field may hold."""

    value: str
    label: str = ""
    """What people read in its place."""
    detail: str = ""
    dot: str = ""
    """How its state looks: `ok`, `active`, `failed`, or empty where it has none."""
    word: str = ""
    """Its state in a word."""


@dataclass(frozen=True)
class Offer:
    """All that a field may hold."""

    choices: tuple[Choice, ...]
    note: str = ""
    """What to know of them, for example that the git host is slow."""


class Choices(Protocol):
    """What the launcher knows beyond the link's format.

    None raises: where nothing can be offered, the offer's note says why.
    """

    def environments(self) -> Sequence[Choice]:
        """The catalogue; asks nobody."""

    def versions(self, env: str) -> Offer:
        """Channels, tags and the exact version of an environment."""

    def branches(self, repo: str) -> Offer:
        """Branches and tags of a content repository, the default branch first."""

    def files(self, repo: str, branch: str) -> Offer:
        """Files and folders of the content."""

    def apps(self, env: str, tag: str) -> Mapping[str, str]:
        """Why each app that not every image has is missing; empty for one that is there."""

    def names(self, repo: str) -> Collection[str]:
        """Branches and tags of a repository; none where they cannot be known."""

    def commit(self, repo: str, branch: str) -> str:
        """The commit that the branch names now; empty where it cannot be known."""


def fitting(choices: Sequence[Choice], text: str, *, inside: str = "") -> list[Choice]:
    """The choices that hold the text, best first: those that begin with it, then whose name does.

    `inside` is a folder that they must be in.
    """
    wanted = text.strip().strip("/").lower()
    folder = f"{inside.strip('/')}/" if inside.strip("/") else ""
    found = []
    for place, one in enumerate(choices):
        if not one.value.startswith(folder):
            continue
        seen = f"{one.value} {one.label}".lower()
        if wanted in seen:
            name = one.value.rsplit("/", 1)[-1].lower()
            worth = 0 if seen.startswith(wanted) else 1 if name.startswith(wanted) else 2
            found.append((worth, place, one))
    return [one for _, _, one in sorted(found, key=lambda row: row[:2])]


def split_branch(branch: str, path: str, names: Collection[str]) -> tuple[str, str]:
    """Branch and path of a web address, whose branch may hold slashes, by the names that exist."""
    parts = f"{branch}/{path}".split("/")
    for count in range(len(parts), 0, -1):
        name = "/".join(parts[:count])
        if name in names:
            return name, "/".join(parts[count:])
    return branch, path
