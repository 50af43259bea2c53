"""Exactly one commit of a repository, in a folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from envs.errors import UnknownRef
from envs.git import Git, GitFailed
from envs.version import Version, explain


def checkout(version: Version, folder: Path, *, git: Git) -> Path:
    """Make `folder` hold the files of exactly this commit; one that exists is complete.

    Fetches one commit where the server allows that, else everything. Submodules are left out.

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


def fetch(version: Version, made: Path, *, git: Git) -> None:
    """Bring the commit into `made`."""
    try:
        git.run("fetch", "--quiet", "--depth=1", "--", version.repo, version.commit, cwd=made)
    except GitFailed:
        try:
            # Not into refs/heads: git refuses to fetch into the branch that HEAD names.
            everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
            git.run("fetch", "--quiet", "--", version.repo, *everything, cwd=made)
        except GitFailed as error:
            raise explain(error, version.repo) from error
    try:
        git.run("cat-file", "-e", f"{version.commit}^{{commit}}", cwd=made)
    except GitFailed as error:
        raise UnknownRef(
            f"{version.repo} does not have the commit {version.commit[:12]} any more.",
            hint="Name a tag or a branch that exists.",
        ) from error
