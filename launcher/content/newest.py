"""The newest content for somebody who waits: a git host that hangs or is down keeps nobody for
long who can have a copy."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace

from envs.errors import EnvError
from envs.version_cache import SOON
from launcher.asking import Asking, Question
from launcher.content.mirror import Mirrors
from launcher.content.upstream import Upstream
from launcher.errors import LaunchError
from link_generator.content import Content


@dataclass(frozen=True)
class Newest:
    """What a content names now, which its git host is being asked."""

    content: Content
    mirrors: Mirrors
    question: Question[Upstream]

    @classmethod
    def of(cls, content: Content, mirrors: Mirrors, asking: Asking) -> Newest:
        """Begin to ask, or share what is being asked."""
        question = asking.question(mirrors.refresh, content.repo, content.branch)
        return cls(content, mirrors, question)

    def get(self) -> Upstream:
        """The answer, however long it takes; for what it raises see `Mirrors.refresh`."""
        return self.question.answer.result()

    def get_soon(self) -> Upstream:
        """The answer; the copy, marked as stale, after `SOON` seconds, or at once where the host
        was down a moment ago."""
        down = self.mirrors.was_down(self.content.repo, self.content.branch)
        return self.get_within(0.0 if down else SOON)

    def since(self, source: Upstream) -> Upstream:
        """What is known by now, where `source` was only a copy; waits for nothing."""
        if source.stale and self.question.answer.done():
            with contextlib.suppress(EnvError, LaunchError):  # the copy is there all the same
                source = self.get()
        if source.stale:
            copy = self.mirrors.find_copy(self.content.repo, self.content.branch)
            source = replace(copy, why=source.why or copy.why) if copy else source
        return source

    def get_within(self, seconds: float) -> Upstream:
        """The answer; the copy, if there is one, that many seconds after the question began.

        The question goes on, for those who come later.
        """
        try:
            left = self.question.began + seconds - time.monotonic()
            return self.question.answer.result(max(0.0, left))
        except TimeoutError:
            copy = self.mirrors.find_copy(self.content.repo, self.content.branch)
            return copy or self.get()
