"""Looks at repositories for somebody who waits in front of a page: never longer than a moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from envs.errors import EnvError
from launcher.asking import Asking, Slow
from launcher.content.mirror import Mirrors
from launcher.content.upstream import Upstream, ask
from launcher.environment import Environments
from launcher.errors import LaunchError

T = TypeVar("T")

MOST = 500
"""Answers that are remembered."""
AGAIN = "Try again in a minute; the link itself may be fine."


@dataclass
class Looking:
    """Asks git hosts in threads of its own, so that slow ones hold up no launch and no page.

    What one may contact is decided by `envs.git`, as for launches.
    """

    environments: Environments
    mirrors: Mirrors
    asking: Asking
    patience: float = 5.0
    """Seconds; then the last copy has to do."""
    life: float = 30.0
    """Seconds that an answer is believed."""
    _known: dict[Hashable, tuple[float, Any]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, ask: Callable[[str, str], T], repo: str, ref: str) -> tuple[Future[T], float]:
        """Ask something of a repository; the answer, and until when to wait for it."""
        return self.asking.submit(ask, repo, ref), time.monotonic() + self.patience

    def content(self, repo: str, branch: str) -> Upstream:
        """The newest content; a copy, marked as stale, where the git host is slow or down.

        :raises Slow: there is no answer in time, and there is no copy.
        :raises launcher.errors.LaunchError: it cannot be found.
        """
        return self._remembered(("content", repo, branch), lambda: self._content(repo, branch))

    def _content(self, repo: str, branch: str) -> Upstream:
        return self.end_content(repo, branch, self.begin(self.mirrors.refresh, repo, branch))

    def end_content(
        self, repo: str, branch: str, begun: tuple[Future[Upstream], float]
    ) -> Upstream:
        """The end of what `begin` began with `mirrors.refresh`."""
        try:
            return ended(begun, repo)
        except Slow:
            copy = self.mirrors.find_copy(repo, branch)
            if copy is None:
                raise
            return copy

    def refs(self, repo: str) -> dict[str, str]:
        """Every branch and tag by full name, and `HEAD`, see `upstream.ask`.

        :raises envs.errors.GitHostDown: the git host is slow or down.
        :raises envs.errors.HostNotAllowed: it may not be asked.
        :raises launcher.errors.ContentNotFound: the repository is missing or private.
        """

        def asked() -> dict[str, str]:
            self.mirrors.git.check_url(repo)
            return ended(self.begin(self._refs, repo, ""), repo)

        return self._remembered(("refs", repo), asked)

    def _refs(self, repo: str, _ref: str) -> dict[str, str]:
        return ask(repo, git=self.mirrors.git)

    def names(self, repo: str) -> tuple[str, ...]:
        """Branches and tags by their short names; none where they cannot be known."""
        try:
            return tuple(short(name) for name in self.refs(repo) if name != "HEAD")
        except (EnvError, LaunchError):
            return ()

    def lock(self, repo: str, tag: str) -> str:
        """The packages of an environment's image, empty where they are not known.

        :raises envs.errors.EnvError: it cannot be found, or its git host is slow.
        """
        return ended(self.begin(self._lock, repo, tag), repo)

    def _lock(self, repo: str, tag: str) -> str:
        return self.environments.store.lock_of(self.environments.versions.resolve(repo, tag))

    def _remembered(self, key: Hashable, find: Callable[[], T]) -> T:
        now = time.monotonic()
        with self._guard:
            at, known = self._known.get(key, (0.0, None))
        if known is not None and now - at < self.life:
            return known
        found = find()
        with self._guard:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[key] = (now, found)
        return found


def ended(begun: tuple[Future[T], float], repo: str) -> T:
    """The answer of what was begun.

    :raises Slow: it did not come in time.
    """
    future, deadline = begun
    try:
        return future.result(max(0.0, deadline - time.monotonic()))
    except TimeoutError as error:
        raise Slow(f"The git server of {repo} is slow.", hint=AGAIN) from error


def short(name: str) -> str:
    """A branch's or tag's name as people write it."""
    plain = name.removeprefix("refs/heads/").removeprefix("refs/tags/")
    return plain.removesuffix("^{}")


def short_time(seconds: float) -> str:
    """A time of today as `09:52`, of another day with its date."""
    at = time.localtime(seconds)
    today = at[:3] == time.localtime()[:3]
    return time.strftime("%H:%M" if today else "%Y-%m-%d %H:%M", at)


def slow_note(source: Upstream) -> str:
    """A sentence where what is shown is a copy."""
    if not source.stale:
        return ""
    why = source.why or "The git server is slow"
    return f"{why}; we will use the copy from {short_time(source.fetched)}."
