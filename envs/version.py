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
    r"repository '.*' not found|does not exist|could not read Username|Authentication failed"
    r"|terminal prompts|Permission denied|returned error: 40[134]"
    r"|not appear to be a git repository|not valid: is this a git repository",
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
        listed = git.run("ls-remote", "--", repo, remote=repo)
    except GitFailed as error:
        raise explain(error, repo) from error
    rows = (line.split("\t", 1) for line in listed.splitlines() if "\t" in line)
    # An annotated tag is listed twice: as itself and, right after, as name^{} with its commit.
    found = {name.removesuffix("^{}"): commit for commit, name in rows}
    return {
        n: c for n, c in found.items() if n == "HEAD" or n.startswith(("refs/heads/", "refs/tags/"))
    }


def explain(error: GitFailed, repo: str) -> RepoNotFound | GitHostDown:
    """What git's complaint about a remote repository means for a person.

    Only a clear answer of the server says that a repository is missing; all else is its trouble.
    """
    if MISSING.search(error.stderr):
        return RepoNotFound(
            f"There is no repository at {repo}, or it is private.",
            hint="Open the address in a private browser window: it must show the repository. "
            "For a private one, the person who runs this server can add a credential.",
        )
    last = (error.stderr.strip().splitlines() or ["no answer"])[-1]
    return GitHostDown(
        f"The git server of {repo} cannot be reached.",
        hint=f"Try again in a minute; the link itself may be fine. Git says: {last}",
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
