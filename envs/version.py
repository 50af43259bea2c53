"""A ref of an environment repository, resolved to the commit that it names now."""

from __future__ import annotations

import contextvars
import difflib
import math
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envs.errors import (
    AmbiguousRef,
    GitHostDown,
    HostNotAllowed,
    NotOffered,
    RepoNotFound,
    UnknownRef,
)
from envs.git import Git, GitFailed
from envs.json_file import changing, read

PRIVATE = re.compile(
    r"could not read Username|Authentication failed|terminal prompts|Permission denied"
    r"|returned error: 40[13]",
    re.IGNORECASE,
)
MISSING = re.compile(
    r"repository '.*' not found|does not exist|returned error: 4(04|10)"
    r"|not appear to be a git repository",
    re.IGNORECASE,
)
NO_GIT = re.compile(r"not valid: is this a git repository", re.IGNORECASE)
DOWN = (
    (
        r"returned error: (5\d\d)",
        "The git server of {repo} has a fault: it says error {0}.",
    ),
    (r"too slow|timed out", "The git server of {repo} did not answer in time."),
    (r"resolve host", "There is no server of the name in {repo}."),
    (r"certificate", "The certificate of the git server of {repo} is not trusted here."),
    (r"returned error: 30", "The git server of {repo} leads to nowhere that can be followed."),
)
"""What git says of a server that is in trouble, and what it means."""


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
    said = error.stderr
    if PRIVATE.search(said):
        return RepoNotFound(
            f"There is no repository at {repo}, or it is private.",
            hint="Open the address in a private browser window: it must show the repository. "
            "For a private one, the person who runs this server can add a credential.",
        )
    if NO_GIT.search(said):
        return RepoNotFound(
            f"{repo} is a web page, not a git repository.",
            hint="Use the https:// address that the repository's clone button gives.",
        )
    if MISSING.search(said):
        return RepoNotFound(
            f"There is no repository at {repo}.",
            hint="Check its spelling: open the address in a private browser window.",
        )
    last = (said.strip().splitlines() or ["no answer"])[-1]
    hint = f"Try again in a minute; the link itself may be fine. Git says: {last}"
    for shape, sentence in DOWN:
        found = re.search(shape, said, re.IGNORECASE)
        if found:
            return GitHostDown(sentence.format(*found.groups(), repo=repo), hint=hint)
    return GitHostDown(f"The git server of {repo} cannot be reached.", hint=hint)


UNREACHED = re.compile(
    "|".join(
        (
            *(one.pattern for one in (PRIVATE, MISSING, NO_GIT)),
            *(shape for shape, _ in DOWN),
            "unable to access|could not read from remote|RPC failed",
        )
    ),
    re.IGNORECASE,
)
NOT_GIVEN = re.compile("not our ref|unadvertised object")
"""What servers say that hand out no commits by id."""


def is_unreached(error: GitFailed) -> bool:
    """True where git did not get as far as what it asked for: nothing else would come, either."""
    return bool(UNREACHED.search(error.stderr)) and not NOT_GIVEN.search(error.stderr)


EXISTING = "docker:"
"""How the address of an image begins that exists already; its commit is its digest."""
Digest = Callable[[str, str], str]
"""The SHA-256 that a tag of an image names now, or `sha256:` and itself, by the image's name."""


def resolve_image(repo: str, ref: str, *, digest: Digest) -> Version:
    """The image that `ref` names: a tag, or `sha256:` and its digest.

    :raises UnknownRef: the image has no such tag.
    :raises RepoNotFound: there is no such image, or it is private.
    :raises GitHostDown: its registry does not answer.
    :raises HostNotAllowed: its registry may not be asked.
    """
    found = digest(repo.removeprefix(EXISTING), ref)
    return Version(repo, ref, found, "commit" if ref.startswith("sha256:") else "tag")


SOON = 5.0
"""Seconds for a git host's answer where what the ref named last will do."""
AGAIN = 20.0
"""Seconds in which a host that was down is not asked again where that will do."""


@dataclass
class Question:
    """One to a git host, and its answer for everybody who waits."""

    began: float
    """Monotonic seconds."""
    answer: Future[Version] = field(default_factory=Future)


@dataclass
class VersionCache:
    """Remembers what refs named, for fast clicks, for a git host that is down, and for tags that
    move though they should not."""

    git: Git
    tag_life: float = 60.0
    """Seconds that a tag is believed; branches move, so they are asked for every time."""
    moved: Callable[[Version, Version], None] | None = None
    """Called with the old and the new version when a tag names another commit than before."""
    follow: bool = True
    """What a moved tag stands for: the new commit, or for False the one that it named first."""
    file: Path | None = None
    """Where versions outlive a restart."""
    digest: Digest | None = None
    """What knows the digests of images that exist already, if anything does."""
    _known: dict[tuple[str, str], tuple[float, Version]] = field(default_factory=dict)
    _told: set[Version] = field(default_factory=set)
    _down: dict[tuple[str, str], float] = field(default_factory=dict)
    """When the host of what is known last failed to answer, in monotonic seconds."""
    _asked: dict[tuple[str, str], Question] = field(default_factory=dict)
    """What `resolve_soon` asks now."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def resolve(self, repo: str, ref: str) -> Version:
        """Like `resolve_version`, from memory where that is fresh enough or the host is down."""
        at, known = self._remembered(repo, ref)
        if known and self._believed(at, known):
            return known
        try:
            found = self._resolve(repo, ref)
        except (GitHostDown, HostNotAllowed) as error:
            if known is None or (isinstance(error, HostNotAllowed) and not self._may_ask(repo)):
                raise
            self._down[repo, ref] = time.monotonic()
            return known
        if known and known.kind == found.kind == "tag" and known.commit != found.commit:
            if self.moved and found not in self._told:
                self.moved(known, found)
                self._told.add(found)
            if not self.follow:
                found = known
        self._remember(found)
        return found

    def resolve_soon(self, repo: str, ref: str, *, longest: float | None = None) -> Version:
        """Like `resolve`, for many at once: who asks what is being asked gets the same answer.

        Where the host has not answered after `SOON` seconds, or was down a moment ago, it is what
        the ref named last; the question goes on, for those who come later. Where that is not known
        either, the answer is waited for, or given up `longest` seconds after the question began.
        """
        at, known = self._remembered(repo, ref)
        if known and self._believed(at, known):
            return known
        if known and time.monotonic() - self._down.get((repo, ref), -math.inf) < AGAIN:
            return known
        question = self._question(repo, ref)
        wait = SOON if known else longest
        if wait is not None:
            wait = max(0.0, question.began + wait - time.monotonic())
        try:
            return question.answer.result(wait)
        except TimeoutError as error:
            if known:
                return known
            raise GitHostDown(
                f"The git server of {repo} has not answered yet.",
                hint="Try again in a minute; the link itself may be fine.",
            ) from error

    def _question(self, repo: str, ref: str) -> Question:
        """The question that is being asked, or a new one, in a thread that nobody waits for."""
        with self._guard:
            question = self._asked.get((repo, ref))
            if question is None:
                question = Question(time.monotonic())
                work = contextvars.copy_context().run  # with the ids that log lines carry
                threading.Thread(
                    target=work, args=(self._answer, repo, ref, question), name="ref", daemon=True
                ).start()
                self._asked[repo, ref] = question
        return question

    def _answer(self, repo: str, ref: str, question: Question) -> None:
        found: Version | None = None
        trouble: BaseException | None = None
        try:
            found = self.resolve(repo, ref)
        except BaseException as error:  # whoever waits for the answer gets it
            trouble = error
        with self._guard:
            del self._asked[repo, ref]  # who asks from now on asks anew
        if found:
            question.answer.set_result(found)
        else:
            question.answer.set_exception(trouble)

    def _believed(self, at: float, known: Version) -> bool:
        """Whether what was known at that moment need not be asked again."""
        return known.kind in ("tag", "commit") and time.monotonic() - at < self.tag_life

    def _resolve(self, repo: str, ref: str) -> Version:
        if not repo.startswith(EXISTING):
            return resolve_version(repo, ref, git=self.git)
        if self.digest is None:
            raise NotOffered(f"{repo} is an image, and only repositories are known here.")
        return resolve_image(repo, ref, digest=self.digest)

    def _may_ask(self, repo: str) -> bool:
        """False where the settings refuse the host itself, and not one that it leads on to."""
        if repo.startswith(EXISTING):
            return False
        try:
            self.git.check_url(repo)
        except HostNotAllowed:
            return False
        return True

    def known(self, repo: str, ref: str) -> str:
        """The commit that the ref named when it was last asked for; empty if it never was."""
        found = self._remembered(repo, ref)[1]
        return found.commit if found else ""

    def _remembered(self, repo: str, ref: str) -> tuple[float, Version | None]:
        with self._guard:
            if (repo, ref) in self._known:
                return self._known[repo, ref]
            row = self._rows().get(f"{repo} {ref}")
        try:
            return -math.inf, Version(repo, ref, row["commit"], row["kind"]) if row else None
        except (KeyError, TypeError):
            return -math.inf, None

    def _remember(self, found: Version) -> None:
        key = (found.repo, found.ref)
        with self._guard:
            _, before = self._known.get(key, (0.0, None))
            if self.file and before != found:
                with changing(self.file, heal=True) as rows:
                    rows[" ".join(key)] = {"commit": found.commit, "kind": found.kind}
            self._known[key] = (time.monotonic(), found)  # on a full disk not before it is kept
            self._down.pop(key, None)

    def _rows(self) -> dict[str, Any]:
        try:
            return read(self.file) if self.file else {}
        except (OSError, ValueError):
            return {}
