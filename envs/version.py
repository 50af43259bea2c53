"""A ref of an environment repository, resolved to the commit that it names now."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

from envs.errors import AmbiguousRef, UnknownRef
from envs.git import Git, GitFailed
from envs.git_trouble import explain_git

EXISTING = "docker:"
"""How the address of an image begins that exists already; its commit is its digest."""
Digest = Callable[[str, str], str]
"""The SHA-256 that a tag of an image names now, or `sha256:` and itself, by the image's name."""


@dataclass(frozen=True)
class Version:
    """A repository at one commit, and the ref that named it."""

    repo: str
    ref: str
    """As asked for; empty is the default branch."""
    commit: str
    kind: str
    """`tag`, `branch`, `commit` or `head`."""


def resolve_version(repo: str, ref: str, *, git: Git) -> Version:
    """The commit that `ref` names, by exact name; an annotated tag is its commit.

    `refs/tags/x` and `refs/heads/x` choose where a tag and a branch share a name.

    :raises UnknownRef: no tag, branch or commit of exactly this name.
    :raises AmbiguousRef: a tag and a branch of the name are different commits.
    :raises RepoNotFound: the repository is missing or private.
    :raises GitHostDown: the git host does not answer.
    """
    git.check_url(repo)
    if re.fullmatch(r"[0-9a-f]{40}", ref):
        return Version(repo, ref, ref, "commit")
    refs = list_refs(repo, git=git)
    if not ref:
        if "HEAD" not in refs:
            raise UnknownRef(f"{repo} is empty.", hint="Push a commit to it first.")
        return Version(repo, ref, refs["HEAD"], "head")
    name = re.sub(r"^refs/(heads|tags)/", "", ref)
    tag = refs.get(f"refs/tags/{name}")
    branch = refs.get(f"refs/heads/{name}")
    if ref.startswith("refs/tags/"):
        branch = None
    if ref.startswith("refs/heads/"):
        tag = None
    if tag and branch and tag != branch:
        raise AmbiguousRef(
            f"{repo} has a tag and a branch called {name}, and they differ.",
            hint=f"Write refs/tags/{name} or refs/heads/{name} instead.",
        )
    if tag:
        return Version(repo, ref, tag, "tag")
    if branch:
        return Version(repo, ref, branch, "branch")
    names = sorted({re.sub(r"^refs/(heads|tags)/", "", n) for n in refs} - {"HEAD"})
    near = (difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[-3:])[:3]
    hint = f"Did you mean {' or '.join(near)}?" if near else "It has none yet."
    if re.fullmatch(r"[0-9a-f]{7,39}", name):
        hint = f"To name a commit, write all 40 characters of it. {hint}"
    raise UnknownRef(f"{repo} has no tag or branch called {name}.", hint=hint, near=near)


def list_refs(repo: str, *, git: Git) -> dict[str, str]:
    """The commit of every tag, branch and of HEAD, by full name; annotated tags are followed.

    :raises RepoNotFound: the repository is missing or private.
    :raises GitHostDown: the git host does not answer.
    """
    try:
        listed = git.list_remote(repo)
    except GitFailed as error:
        raise explain_git(error, repo) from error
    rows = (line.split("\t", 1) for line in listed.splitlines() if "\t" in line)
    # An annotated tag is listed twice: as itself and, right after, as name^{} with its commit.
    found = {name.removesuffix("^{}"): commit for commit, name in rows}
    return {
        n: c for n, c in found.items() if n == "HEAD" or n.startswith(("refs/heads/", "refs/tags/"))
    }


def resolve_image(repo: str, ref: str, *, digest: Digest) -> Version:
    """The image that `ref` names: a tag, or `sha256:` and its digest.

    :raises UnknownRef: the image has no such tag.
    :raises RepoNotFound: there is no such image, or it is private.
    :raises GitHostDown: its registry does not answer.
    :raises HostNotAllowed: its registry may not be asked.
    """
    found = digest(repo.removeprefix(EXISTING), ref)
    return Version(repo, ref, found, "commit" if ref.startswith("sha256:") else "tag")
