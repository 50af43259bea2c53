"""A content repository at one commit: what a branch, tag or commit of a link names now."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from envs.errors import GitHostDown, RepoNotFound
from envs.git import ONE_PACK, Git, GitFailed, Watch, is_too_large, nobody
from envs.git_trouble import explain_git, is_unreached
from envs.sizes import human
from launcher.errors import ContentNotFound, ContentTooLarge, UnknownBranch

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
EVERYTHING = (
    "+refs/heads/*:refs/launcher/all/heads/*",
    "+refs/tags/*:refs/launcher/all/tags/*",
)


@dataclass(frozen=True)
class Upstream:
    """One commit of a content repository, there on the host."""

    repo: str
    ref: str
    """The branch or tag, by its short name, or the commit id."""
    commit: str
    fetched: float
    """Unix seconds when the git host last said so."""
    stale: bool = False
    """True for the last copy: the newest could not be had now, so something newer may exist."""
    why: str = ""
    """What keeps the newest of a stale one away, where that is known: a sentence, no full stop."""
    kind: str = "branch"
    """`branch`, `tag` or `commit`."""
    of: str = ""
    """Where `commit` is one of our own making, see `shape.py`: the upstream's."""
    notes: tuple[str, ...] = ()
    """What students must know of it."""

    @property
    def newest(self) -> str:
        """The upstream's commit, by its own id."""
        return self.of or self.commit

    @property
    def branch(self) -> str:
        """The local branch that a clone is on; empty for a tag or commit."""
        return self.ref if self.kind == "branch" else ""

    @property
    def stale_note(self) -> str:
        """What students are told of a stale one; empty for any other."""
        if not self.stale:
            return ""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.fetched))
        if self.why:
            return f"{self.why}; these are the files of {when}"
        return (
            f"The newest course files have not come yet; these are the files of {when}. "
            "Open the link again in a minute"
        )

    @property
    def full_ref(self) -> str:
        """What to ask the git host for."""
        prefix = {"branch": "refs/heads/", "tag": "refs/tags/"}.get(self.kind, "")
        return prefix + self.ref


def ask(repo: str, *, git: Git) -> dict[str, str]:
    """Every branch and tag of the repository by full name, and `HEAD`, by one `ls-remote`.

    The entry `HEAD` holds the full name of the default branch, or a commit where HEAD is none.

    :raises ContentNotFound: the repository is missing or private.
    :raises GitHostDown: the git host does not answer.
    """
    try:
        listed = git.list_remote(repo, "--symref")
    except GitFailed as error:
        said = explain_git(error, repo)
        if isinstance(said, RepoNotFound):
            raise ContentNotFound(said.message, hint=said.hint) from error
        raise said from error
    refs: dict[str, str] = {}
    for line in listed.splitlines():
        value, _, name = line.partition("\t")
        if name == "HEAD":
            refs.setdefault("HEAD", value.removeprefix("ref: "))
        elif name.startswith(("refs/heads/", "refs/tags/")):
            refs[name] = value
    return refs


def pick(repo: str, branch: str, refs: Mapping[str, str], now: float) -> Upstream:
    """What `branch` names among `refs`: a branch, else a tag, else a commit id; empty the default.

    A branch wins over a tag of the same name, as `git clone --branch` has it.

    :raises UnknownBranch: nothing of exactly this name.
    :raises ContentNotFound: the repository is empty, and no name was asked for.
    """
    if not branch:
        return pick_default(repo, refs, now)
    name = re.sub(r"^refs/(heads|tags)/", "", branch)
    head = refs.get(f"refs/heads/{name}")
    if head and not branch.startswith("refs/tags/"):
        return Upstream(repo, name, head, now)
    tag = refs.get(f"refs/tags/{name}^{{}}") or refs.get(f"refs/tags/{name}")
    if tag and not branch.startswith("refs/heads/"):
        return Upstream(repo, name, tag, now, kind="tag")
    if COMMIT.fullmatch(branch):
        return Upstream(repo, branch, branch, now, kind="commit")
    known = sorted({re.sub(r"^refs/(heads|tags)/|\^\{\}$", "", n) for n in refs} - {"HEAD"})
    near = (difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known[:3])[:3]
    raise UnknownBranch(
        f"{repo} has no branch or tag called {name}.",
        hint=f"Did you mean {' or '.join(near)}?" if near else "It is empty: push a commit first.",
        near=near,
    )


def pick_default(repo: str, refs: Mapping[str, str], now: float) -> Upstream:
    """The default branch; where HEAD names none that exists, the only branch, main or master."""
    head = refs.get("HEAD", "")
    if COMMIT.fullmatch(head):
        return Upstream(repo, head, head, now, kind="commit")
    branches = [name for name in refs if name.startswith("refs/heads/")]
    likely = [head, "refs/heads/main", "refs/heads/master", *branches[: len(branches) == 1]]
    for name in likely:
        if name in refs:
            return Upstream(repo, name.removeprefix("refs/heads/"), refs[name], now)
    if branches:
        shown = [name.removeprefix("refs/heads/") for name in branches[:5]]
        raise UnknownBranch(
            f"{repo} has no default branch.", hint=f"Name one: {', '.join(shown)}.", near=shown
        )
    raise ContentNotFound(f"{repo} is empty.", hint="Push a commit to it first.")


@dataclass(frozen=True)
class FetchLimits:
    """How much one fetch may bring."""

    largest: int = 0
    """Bytes, as git packs them; 0 is no limit."""
    seconds: float = 600.0


NO_LIMIT = FetchLimits()


def fetch(
    upstream: Upstream,
    source: str,
    folder: str,
    *,
    into: str,
    depth: int,
    git: Git,
    limits: FetchLimits = NO_LIMIT,
    watch: Watch = nobody,
) -> Upstream:
    """Bring the commit from `source` into the bare repository `folder`, under the ref `into`.

    A branch may move between being asked for and fetched; the answer holds what came. `watch` may
    end it, see `Git.run`.

    :raises UnknownBranch: a commit that the repository does not have.
    :raises ContentNotFound: the repository is missing or private.
    :raises ContentTooLarge: it is more than the limits allow.
    :raises GitHostDown: the git host does not answer, or not to the end in time.
    """
    shallow = [f"--depth={depth}"] if depth else []

    def run(*words: str) -> None:
        quiet = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
        git.run(
            *("--git-dir", folder, *ONE_PACK, *quiet, *words),
            timeout=max(git.timeout, limits.seconds),
            remote=source,
            largest=limits.largest,
            watch=watch,
        )

    try:
        try:
            run(*shallow, "--", source, f"+{upstream.full_ref}:{into}")
        except GitFailed as error:
            if upstream.kind != "commit" or is_too_large(error) or is_unreached(error):
                raise
            # A server that does not hand out commits by id hands out all branches and tags.
            run("--", source, *EVERYTHING)
    except GitFailed as error:
        raise _explained(error, upstream.repo, limits) from error
    finally:
        for left in Path(folder, "objects/pack").glob("tmp_*"):  # of a fetch that was cut off
            left.unlink(missing_ok=True)
    named = upstream.commit if upstream.kind == "commit" else into
    try:
        got = git.run(
            "--git-dir", folder, "rev-parse", "--verify", "--quiet", f"{named}^{{commit}}"
        ).strip()
    except GitFailed as error:
        raise UnknownBranch(
            f"{upstream.repo} has no commit {upstream.ref[:12]}.",
            hint="Name a branch or tag, or leave it out for the default branch.",
        ) from error
    if upstream.kind != "branch":  # an annotated tag is not its commit
        git.run("--git-dir", folder, "update-ref", into, got)
    return replace(upstream, ref=got if upstream.kind == "commit" else upstream.ref, commit=got)


def fetch_local(
    commit: str, mirror: Path, folder: Path, *, into: str, depth: int, git: Git
) -> None:
    """Bring a commit that a mirror of this host has into the repository `folder`, as one pack."""
    shallow = [f"--depth={depth}"] if depth else []
    git.run(
        *("-c", "protocol.file.allow=always", *ONE_PACK),
        *("-c", "core.logAllRefUpdates=false", "--git-dir", str(folder)),
        *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *shallow, "--", str(mirror)),
        f"+refs/launcher/commits/{commit}:{into}",
        timeout=600,
    )


def _explained(error: GitFailed, repo: str, limits: FetchLimits) -> Exception:
    if is_too_large(error):
        return ContentTooLarge(
            f"{repo} is larger than the {human(limits.largest)} that this server fetches.",
            hint="Keep large data elsewhere, or ask the person who runs this server to raise "
            "`content.fetch_largest`.",
        )
    if "remote ref" in error.stderr:
        return UnknownBranch(
            f"{repo} changed while it was fetched: {error.stderr.strip()}.", hint="Try again."
        )
    said = explain_git(error, repo)
    if isinstance(said, GitHostDown):
        return said
    return ContentNotFound(said.message, hint=said.hint)
