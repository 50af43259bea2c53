"""Exactly one commit of a repository, in a folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envs import submodules
from envs.errors import RepoNotFound, TooLarge, UnknownRef
from envs.git import ONE_PACK, Git, GitFailed, is_too_large
from envs.git_trouble import explain_git, is_unreached
from envs.room import ROOMY, Room
from envs.sizes import human
from envs.version import Version


@dataclass
class Allowance:
    """What a checkout may hold, with all of its submodules."""

    largest: int = 0
    """Bytes, also of what one fetch brings; 0 is no limit."""
    files: int = 1_000_000
    room: Room = ROOMY
    """What must stay free on the disk."""
    _bytes: int = 0
    _files: int = 0

    def take(self, sizes: Sequence[int], *, repo: str) -> None:
        """:raises TooLarge: it is more than what is left."""
        self._bytes += sum(sizes)
        self._files += len(sizes)
        if self._files > self.files or 0 < self.largest < self._bytes:
            raise self.refusal(repo)

    def refusal(self, repo: str) -> TooLarge:
        at_most = [human(self.largest)] if self.largest else []
        return TooLarge(
            f"{repo} is too large for an environment: this server takes at most "
            f"{' and '.join([*at_most, f'{self.files} files'])}, submodules included.",
            hint="Keep data in another repository, which the link names as its content, or ask "
            "the person who runs this server to raise `builds.largest`.",
        )


def checkout(
    version: Version,
    folder: Path,
    *,
    git: Git,
    nested: int = 0,
    allowance: Allowance | None = None,
) -> Path:
    """Make `folder` hold the files of exactly this commit; one that exists is complete.

    Fetches one commit where the server allows that, else everything. Submodules of hosts that
    links may name are part of it; others stay empty folders, which `read_recipe` warns of.

    :raises UnknownRef: the repository does not have the commit.
    :raises RepoNotFound: the repository is missing or private.
    :raises GitHostDown: the git host does not answer.
    :raises TooLarge: it is more than the allowance.
    :raises OverLimit: the disk has too little room.
    """
    allowance = allowance or Allowance()
    if folder.exists():
        return folder
    git.check_url(version.repo)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".checkout-"))
    try:
        git.run("init", "--quiet", "--template=", "--", str(made))
        fetch(version, made, git=git, allowance=allowance)
        allowance.take(sizes(version, made, git=git), repo=version.repo)
        git.run(
            *("checkout", "--quiet", "--detach", version.commit),
            cwd=made,
            watch=allowance.room.check,
        )
        if nested < submodules.NESTED:
            fetch_submodules(version, made, git=git, nested=nested + 1, allowance=allowance)
        shutil.rmtree(made / ".git")
        made.chmod(0o755)
        try:
            made.rename(folder)
        except OSError:  # another process was faster with the same commit
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def fetch_submodules(
    version: Version, made: Path, *, git: Git, nested: int, allowance: Allowance
) -> None:
    """Fill the submodules' folders; each is made beside, and moved in when it is complete.

    :raises GitHostDown: a host does not answer; without it the environment would differ.
    :raises BadEnvironment: one has no place of its own in the checkout.
    """
    for one in submodules.find_submodules(made, version.repo, git=git):
        if not one.repo or not submodules.may_fetch(one, git=git):
            continue
        inner = Version(one.repo, one.commit, one.commit, "commit")
        with (
            contextlib.suppress(RepoNotFound, UnknownRef),
            tempfile.TemporaryDirectory(dir=made.parent, prefix=".checkout-") as beside,
        ):
            files = checkout(
                inner, Path(beside, "files"), git=git, nested=nested, allowance=allowance
            )
            submodules.put_in_place(files, made, one.path)


def sizes(version: Version, made: Path, *, git: Git) -> list[int]:
    """Bytes of each file, link and folder of the commit, before any of them is written.

    :raises TooLarge: they have no end, because folders hold each other again and again.
    """
    listed = git.run("ls-tree", "-r", "-t", "-l", "-z", version.commit, cwd=made)
    found = (row.split("\t", 1)[0].split()[3] for row in listed.split("\0")[:-1])
    return [int(size) if size.isdigit() else 0 for size in found]


def fetch(version: Version, made: Path, *, git: Git, allowance: Allowance) -> None:
    """Bring the commit into `made`."""
    largest, watch = allowance.largest, allowance.room.check
    try:
        words = ("fetch", "--quiet", "--depth=1", "--", version.repo, version.commit)
        git.run(*ONE_PACK, *words, cwd=made, remote=version.repo, largest=largest, watch=watch)
    except GitFailed as one:
        if is_too_large(one):
            raise allowance.refusal(version.repo) from one
        if is_unreached(one):
            raise explain_git(one, version.repo) from one
        try:
            # Not into refs/heads: git refuses to fetch into the branch that HEAD names.
            everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
            words = ("fetch", "--quiet", "--", version.repo, *everything)
            git.run(*ONE_PACK, *words, cwd=made, remote=version.repo, largest=largest, watch=watch)
        except GitFailed as error:
            if is_too_large(error):
                raise allowance.refusal(version.repo) from error
            raise explain_git(error, version.repo) from error
    try:
        git.run("cat-file", "-e", f"{version.commit}^{{commit}}", cwd=made)
    except GitFailed as error:
        raise UnknownRef(
            f"{version.repo} does not have the commit {version.commit[:12]} any more.",
            hint="Name a tag or a branch that exists.",
        ) from error
