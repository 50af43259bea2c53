"""What students get of a commit where that is not all of it as it is: some folders only, or with
its submodules filled in.

It becomes a commit of our own in the mirror, always the same for the same wish, so that clones,
packs and the reconcile treat it like any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from envs.errors import EnvError
from envs.git import MOST, Git, GitFailed
from envs.submodules import MOST as MOST_SUBMODULES
from envs.submodules import NESTED, Submodule, may_fetch, parse_modules, resolve_url
from launcher.errors import ContentTooLarge, LaunchError

INCOMPLETE = " (incomplete)"
"""Ends the message of a commit that lacks a submodule which could not be fetched."""
Bring = Callable[[str, str], None]
"""Brings the commit of another repository into the mirror: repository, commit."""


@dataclass(frozen=True)
class Shape:
    """A commit that is there in the mirror."""

    commit: str
    notes: tuple[str, ...] = ()
    """Sentences on what could not be filled in."""
    complete: bool = True
    """False where that may be possible the next time."""


def shape_commit(
    mirror: Path, commit: str, *, repo: str, only: Sequence[str] | None, bring: Bring, git: Git
) -> Shape:
    """The commit that students get: the folders `only`, which it has, or all of it for None."""
    if only is None and not submodules_in(mirror, commit, "", repo=repo, git=git):
        return Shape(commit)
    with tempfile.TemporaryDirectory() as folder:
        index = Index(mirror, Path(folder) / "index", git)
        if only is None:
            index.add("", commit)
        for one in only or ():
            index.add(one, f"{commit}:{one}")
        failed: list[str] = []
        notes = fill(index, commit, "", repo=repo, bring=bring, nested=0, failed=failed)
        made = index.commit(commit, only, complete=not failed)
        return Shape(made, tuple(notes), complete=not failed)


@dataclass(frozen=True)
class Index:
    """A tree in the making, in the mirror's objects."""

    mirror: Path
    file: Path
    git: Git

    def run(self, *words: str, **more: str) -> str:
        empty = self.file.parent  # commands on an index want a work tree, and touch none of it
        where = ("--git-dir", str(self.mirror), "--work-tree", str(empty))
        env = {"GIT_INDEX_FILE": str(self.file), **more}
        return self.git.run(*where, *words, cwd=empty, env=env)

    def add(self, folder: str, tree: str) -> None:
        """Put a tree at a folder that the index does not have yet."""
        self.run("read-tree", *([f"--prefix={folder}/"] if folder else []), tree)

    def check_size(self) -> None:
        """:raises ContentTooLarge: too much has come together."""
        if self.file.stat().st_size > MOST:
            raise ContentTooLarge(
                "The content has more files than this server gives, submodules included.",
                hint="Give one folder with only=, or keep data elsewhere.",
            )

    def replace(self, path: str, tree: str) -> None:
        """Put a tree where a submodule is."""
        self.run("update-index", "--force-remove", "--", path)
        self.add(path, tree)

    def has(self, path: str) -> bool:
        return bool(self.run("ls-files", "-z", "--", f":(top,literal){path}"))

    def commit(self, of: str, only: Sequence[str] | None, *, complete: bool) -> str:
        """The commit of the tree, which depends on nothing but `of` and the tree."""
        date = self.run("show", "--no-patch", "--format=%ct +0000", of).strip()
        who = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (
                ("NAME", "launcher"),
                ("EMAIL", "launcher@localhost"),
                ("DATE", date),
            )
        }
        what = "With submodules filled in" if only is None else ", ".join(only)
        # Whoever gets one folder gets no history: it would hold the rest.
        parents = ("-p", of) if only is None else ()
        tree = self.run("write-tree").strip()
        mark = "" if complete else INCOMPLETE
        words = ("commit-tree", tree, *parents, "-m", f"{what}: {of[:12]}{mark}")
        return self.run(*words, **who).strip()


def fill(
    index: Index,
    commit: str,
    above: str,
    *,
    repo: str,
    bring: Bring,
    nested: int,
    failed: list[str],
) -> list[str]:
    """Put the files of submodules in their places; sentences on those that stay empty.

    `failed` gets the paths of those that may come the next time.
    """
    notes = []
    found = submodules_in(index.mirror, commit, above, repo=repo, git=index.git)
    for one in found:
        if not index.has(one.path):
            continue  # not in the folders that students get
        why = ""
        if len(found) > MOST_SUBMODULES or nested >= NESTED:
            why = "there are too many of them"
        elif not one.repo:
            why = "the repository does not say where it is"
        elif not may_fetch(one, git=index.git):
            why = f"this server does not fetch from {one.repo}"
        else:
            try:
                bring(one.repo, one.commit)
                index.replace(one.path, one.commit)
            except (EnvError, LaunchError, GitFailed):
                why = f"{one.repo} cannot be fetched now"
                failed.append(one.path)
        index.check_size()
        if why:
            notes.append(f"{one.path} is another repository and is left as it is: {why}")
            continue
        notes += fill(
            index,
            one.commit,
            one.path + "/",
            repo=one.repo,
            bring=bring,
            nested=nested + 1,
            failed=failed,
        )
    return notes


def submodules_in(mirror: Path, commit: str, above: str, *, repo: str, git: Git) -> list[Submodule]:
    """The submodules of a commit whose tree is at the folder `above`."""
    listed = git.run("--git-dir", str(mirror), "ls-tree", "-r", "-z", "--full-tree", commit)
    links = [row for row in listed.split("\0") if row.startswith("160000 ")]
    if not links:
        return []
    words = ("config", "-z", "--blob", f"{commit}:.gitmodules", "--list")
    try:
        urls = parse_modules(git.run("--git-dir", str(mirror), *words))
    except GitFailed:  # no such file, or not one that git reads
        urls = {}
    found = []
    for row in links:
        facts, path = row.split("\t", 1)
        url = urls.get(path, "")
        address = resolve_url(repo, url) if url else ""
        found.append(Submodule(above + path, address, facts.split()[2]))
    return found


def outermost(folders: Sequence[str]) -> list[str]:
    """The folders without those that are inside of another one."""
    plain = sorted({folder.strip("/") for folder in folders})
    return [
        one
        for one in plain
        if not any(one != other and f"{one}/".startswith(f"{other}/") for other in plain)
    ]
