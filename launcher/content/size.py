"""How much a link may give a student."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from envs.errors import TooLarge
from envs.git import Git
from envs.sizes import human
from launcher.errors import ContentTooLarge


@dataclass(frozen=True)
class SizeLimits:
    """Of the files that one content repository puts into a student's folder; 0 is no limit."""

    largest: int = 0
    """Bytes in all."""
    files: int = 0


MOST_LISTED = 250_000
"""Files and folders of a repository, whatever a link takes of it: pages hold lists of them."""
NO_SIZE_LIMIT = SizeLimits()


def check_size(mirror: Path, commit: str, limits: SizeLimits, *, repo: str, git: Git) -> None:
    """Refuse a commit that is more than the limits.

    :raises ContentTooLarge: naming the largest folders and the way out.
    """
    if limits != NO_SIZE_LIMIT:
        check_sizes(sizes_of(mirror, commit, git=git), limits, repo=repo)


def check_sizes(found: Mapping[str, int], limits: SizeLimits, *, repo: str) -> None:
    """The same for the bytes of every file. No I/O here."""
    sizes: Counter[str] = Counter()
    for path, size in found.items():
        sizes[path.split("/", 1)[0]] += size
    total, count = sum(sizes.values()), len(found)
    if not (0 < limits.largest < total or 0 < limits.files < count):
        return
    at_most = [human(limits.largest)] if limits.largest else []
    at_most += [f"{limits.files} files"] if limits.files else []
    named = ", ".join(f"{name} ({human(size)})" for name, size in sizes.most_common(3))
    raise ContentTooLarge(
        f"{repo} has {human(total)} in {count} files; this server gives at most "
        f"{' and '.join(at_most)}.",
        hint=f"The largest: {named}. Give one folder with only=, keep large data elsewhere, or ask "
        "the person who runs this server to raise `content.largest` or `content.files`.",
    )


def check_ends(mirror: Path, commit: str, *, repo: str, git: Git) -> None:
    """Refuse a commit whose folders hold each other so often that no list of its files ends.

    :raises ContentTooLarge: it is one, or has more than `MOST_LISTED` files and folders.
    """
    try:
        listed = git.run("--git-dir", str(mirror), "ls-tree", "-r", "-t", "-z", commit)
        few = listed.count("\0") <= MOST_LISTED
    except TooLarge:
        few = False
    if not few:
        raise ContentTooLarge(
            f"{repo} has more than the {MOST_LISTED} files and folders that this server lists.",
            hint="Keep data elsewhere, and a folder in one place.",
        )


def sizes_of(mirror: Path, commit: str, *, git: Git) -> dict[str, int]:
    """Bytes of every file of the commit; of a submodule nothing."""
    listed = git.run("--git-dir", str(mirror), "ls-tree", "-r", "-l", "-z", commit)
    found = {}
    for row in listed.split("\0")[:-1]:
        about, path = row.split("\t", 1)
        size = about.split()[3]
        found[path] = int(size) if size.isdigit() else 0
    return found
