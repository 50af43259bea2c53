"""What refs named is remembered: clicks are fast, and a git host that is down keeps nobody out."""

from __future__ import annotations

import contextvars
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envs.errors import GitHostDown, HostNotAllowed, NotOffered
from envs.git import Git
from envs.json_file import changing, read
from envs.version import EXISTING, Digest, Version, resolve_image, resolve_version

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
