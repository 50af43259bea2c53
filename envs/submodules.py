"""The submodules of a checkout: fetched where links may fetch from, else left out and said."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from envs.errors import BadEnvironment, EnvError
from envs.git import Git, GitFailed

NESTED = 3
"""Submodules of submodules of submodules; a stranger's repository may go on for ever."""
MOST = 50


@dataclass(frozen=True)
class Submodule:
    """A commit of another repository that a tree holds at a path."""

    path: str
    repo: str
    """Empty where .gitmodules does not say."""
    commit: str


def find_submodules(checkout: Path, repo: str, *, git: Git) -> Iterator[Submodule]:
    """Every submodule of the clone in `checkout`, not those inside of them.

    As its index has them, which is what was checked out: a tree may hold a name twice, say a
    folder and a link.
    """
    listed = git.run("ls-files", "--stage", "-z", cwd=checkout)
    links = [row for row in listed.split("\0") if row.startswith("160000 ")]
    urls = module_urls(checkout, git=git) if links else {}
    for row in links[:MOST]:
        facts, path = row.split("\t", 1)
        url = urls.get(path, "")
        yield Submodule(path, resolve_url(repo, url) if url else "", facts.split()[1])


def put_in_place(files: Path, checkout: Path, path: str) -> None:
    """Move the folder `files` to where git left an empty one for the submodule at `path`.

    :raises BadEnvironment: that is no empty folder of the checkout; no link is followed.
    """
    above, _, name = path.rpartition("/")
    try:
        handle = open_folder(checkout, above)
        try:
            os.rmdir(name, dir_fd=handle)
            os.rename(files, name, dst_dir_fd=handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise BadEnvironment(
            f"The submodule at {path} has no place of its own in the repository.",
            hint="Two entries of the repository have the same name: remove one of them.",
        ) from error


def open_folder(root: Path, path: str) -> int:
    """A handle of a folder below `root`.

    :raises OSError: a part of the path is missing, or is a file or a link.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    handle = os.open(root, flags)
    for part in filter(None, path.split("/")):
        above = handle
        try:
            if part == "..":
                raise NotADirectoryError(part)
            handle = os.open(part, flags, dir_fd=above)
        finally:
            os.close(above)
    return handle


def may_fetch(submodule: Submodule, *, git: Git) -> bool:
    """True for an address that a link might name as well; ssh needs a key that nobody has."""
    try:
        git.check_url(submodule.repo)
    except EnvError:
        return False
    return submodule.repo.startswith(("https://", "http://"))


def module_urls(checkout: Path, *, git: Git) -> dict[str, str]:
    """The address of each path that .gitmodules names."""
    if (checkout / ".gitmodules").is_symlink():
        return {}  # git refuses it as well: it could lead anywhere
    try:
        listed = git.run("config", "-z", "-f", ".gitmodules", "--list", cwd=checkout)
    except GitFailed:
        return {}
    return parse_modules(listed)


def parse_modules(listed: str) -> dict[str, str]:
    """The address of each path in what `git config -z --list` says of a .gitmodules file."""
    settings: dict[str, str] = {}
    for entry in listed.split("\0"):
        key, _, value = entry.partition("\n")
        settings.setdefault(key, value)
    return {
        path: settings.get(f"{key.removesuffix('.path')}.url", "")
        for key, path in settings.items()
        if key.startswith("submodule.") and key.endswith(".path")
    }


def resolve_url(repo: str, url: str) -> str:
    """A submodule's address; `../other` begins at the repository's own, as in git."""
    if not url.startswith(("./", "../")):
        return url
    return urljoin(repo.rstrip("/") + "/", url)


def missing_submodules(root: Path) -> list[str]:
    """Paths that .gitmodules names and that are empty in a checkout."""
    try:
        text = (root / ".gitmodules").read_text("utf-8", "replace")
    except OSError:
        return []
    named = re.findall(r"^\s*path\s*=\s*(.+?)\s*$", text, re.MULTILINE)
    return [path for path in named if is_empty_folder(root, path)]


def is_empty_folder(root: Path, path: str) -> bool:
    folder = root / path
    try:
        if not folder.resolve().is_relative_to(root.resolve()):
            return False
        return folder.is_dir() and not any(folder.iterdir())
    except (OSError, ValueError, RuntimeError):  # a name that no folder can have
        return False
