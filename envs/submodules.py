"""The submodules of a checkout: fetched where links may fetch from, else left out and said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from envs.errors import EnvError
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
    """Every submodule that HEAD of the clone in `checkout` holds, not those inside of them."""
    listed = git.run("ls-tree", "-r", "-z", "HEAD", cwd=checkout)
    links = [row for row in listed.split("\0") if row.startswith("160000 ")]
    urls = module_urls(checkout, git=git) if links else {}
    for row in links[:MOST]:
        facts, path = row.split("\t", 1)
        url = urls.get(path, "")
        yield Submodule(path, resolve_url(repo, url) if url else "", facts.split()[2])


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
