"""A ref of an environment repository, resolved to the commit that it names now."""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from envs.errors import AmbiguousRef, GitHostDown, RepoNotFound, UnknownRef
from envs.git import Git, GitFailed

MISSING = re.compile(
    r"not found|does not exist|could not read Username|Authentication failed|terminal prompts"
    r"|Permission denied|403|not appear to be a git repository|not valid: is this a git repository",
    re.IGNORECASE,
)
UNREACHED = re.compile(
    r"Could not resolve host|Failed to connect|Connection (refused|timed out|reset)"
    r"|Operation too slow|unable to access|early EOF|The requested URL returned error: 5",
    re.IGNORECASE,
)


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
    tag = refs.get(f"refs/tags/{name}^{{}}") or refs.get(f"refs/tags/{name}")
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
    names = sorted({re.sub(r"^refs/(heads|tags)/|\^\{\}$", "", n) for n in refs} - {"HEAD"})
    near = (difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[-3:])[:3]
    raise UnknownRef(
        f"{repo} has no tag or branch called {name}.",
        hint=f"Did you mean {' or '.join(near)}?" if near else "It has none yet.",
        near=near,
    )


def list_refs(repo: str, *, git: Git) -> dict[str, str]:
    """Every tag, branch and HEAD of the repository, by full name.

    :raises RepoNotFound: the repository is missing or private.
    :raises GitHostDown: the git host does not answer.
    """
    try:
        listed = git.run("ls-remote", "--", repo)
    except GitFailed as error:
        raise explain(error, repo) from error
    rows = (line.split("\t", 1) for line in listed.splitlines() if "\t" in line)
    found = {name: commit for commit, name in rows}
    return {
        n: c for n, c in found.items() if n == "HEAD" or n.startswith(("refs/heads/", "refs/tags/"))
    }


def explain(error: GitFailed, repo: str) -> RepoNotFound | GitHostDown:
    """What git's complaint about a remote repository means for a person."""
    if UNREACHED.search(error.stderr) and not MISSING.search(error.stderr):
        return GitHostDown(
            f"The git server of {repo} cannot be reached.",
            hint="Try again in a minute; the link itself may be fine.",
        )
    return RepoNotFound(
        f"There is no repository at {repo}, or it is private.",
        hint="Open the address in a private browser window: it must show the repository.",
    )


@dataclass
class VersionCache:
    """Remembers what refs named a moment ago, for fast clicks and for a git host that is down."""

    git: Git
    tag_life: float = 60.0
    """Seconds that a tag is believed; branches move, so they are asked for every time."""
    moved: Callable[[Version, Version], None] | None = None
    """Called with the old and the new version when a tag names another commit than before."""
    _known: dict[tuple[str, str], tuple[float, Version]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def resolve(self, repo: str, ref: str) -> Version:
        """Like `resolve_version`, from memory where that is fresh enough or the host is down."""
        with self._guard:
            at, known = self._known.get((repo, ref), (0.0, None))
        if known and known.kind in ("tag", "commit") and time.monotonic() - at < self.tag_life:
            return known
        try:
            found = resolve_version(repo, ref, git=self.git)
        except GitHostDown:
            if known is None:
                raise
            return known
        with self._guard:
            self._known[(repo, ref)] = (time.monotonic(), found)
        if known and known.kind == "tag" and known.commit != found.commit and self.moved:
            self.moved(known, found)
        return found
