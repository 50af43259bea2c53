"""Exactly one commit of a repository, in a folder."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from envs import submodules
from envs.errors import RepoNotFound, UnknownRef
from envs.git import Git, GitFailed
from envs.version import Version, explain


def checkout(version: Version, folder: Path, *, git: Git, nested: int = 0) -> Path:
    """Make `folder` hold the files of exactly this commit; one that exists is complete.

    Fetches one commit where the server allows that, else everything. Submodules of hosts that
    links may name are part of it; others stay empty folders, which `read_recipe` warns of.

    :raises UnknownRef: the repository does not have the commit.
    :raises RepoNotFound: the repository is missing or private.
    :raises GitHostDown: the git host does not answer.
    """
    if folder.exists():
        return folder
    git.check_url(version.repo)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".checkout-"))
    try:
        git.run("init", "--quiet", "--template=", "--", str(made))
        fetch(version, made, git=git)
        git.run("checkout", "--quiet", "--detach", version.commit, cwd=made)
        if nested < submodules.NESTED:
            fetch_submodules(version, made, git=git, nested=nested + 1)
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


def fetch_submodules(version: Version, made: Path, *, git: Git, nested: int) -> None:
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
            files = checkout(inner, Path(beside, "files"), git=git, nested=nested)
            submodules.put_in_place(files, made, one.path)


def fetch(version: Version, made: Path, *, git: Git) -> None:
    """Bring the commit into `made`."""
    try:
        words = ("fetch", "--quiet", "--depth=1", "--", version.repo, version.commit)
        git.run(*words, cwd=made, remote=version.repo)
    except GitFailed:
        try:
            # Not into refs/heads: git refuses to fetch into the branch that HEAD names.
            everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
            words = ("fetch", "--quiet", "--", version.repo, *everything)
            git.run(*words, cwd=made, remote=version.repo)
        except GitFailed as error:
            raise explain(error, version.repo) from error
    try:
        git.run("cat-file", "-e", f"{version.commit}^{{commit}}", cwd=made)
    except GitFailed as error:
        raise UnknownRef(
            f"{version.repo} does not have the commit {version.commit[:12]} any more.",
            hint="Name a tag or a branch that exists.",
        ) from error
