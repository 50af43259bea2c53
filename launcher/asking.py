"""Questions to git hosts, in threads of their own: one host that is slow takes few of them."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from envs.errors import BadEnvironment, GitHostDown
from envs.hosts import host_of
from launcher import logs
from launcher.errors import SessionFailed

log = logging.getLogger(__name__)

PER_HOST = 8
"""Questions to one host at once; a class that asks for one repository is one question."""
THREADS = 96
"""Of all hosts together; each only waits for a git process."""
APART = 0.05
"""Seconds between the beginnings of two same questions: who clicks together shares the second."""
MOST = 1000
"""Questions whose beginning is remembered."""

T = TypeVar("T")


class Slow(GitHostDown):
    """No answer yet; a click would wait longer for it."""


@dataclass
class Question(Generic[T]):
    """One that waits or is being asked."""

    key: tuple[Any, ...]
    ask: Callable[[], T]
    answer: Future[T] = field(default_factory=Future)
    began: float = field(default_factory=time.monotonic)
    """Monotonic seconds when it was first asked for."""


@dataclass
class Asking:
    """Asks git hosts. Who asks what is being asked gets the same answer, and takes no thread."""

    per_host: int = PER_HOST
    threads: int = THREADS
    waiting: int = 0
    """Questions to one host that may wait; 0 is no limit."""
    _running: dict[str, int] = field(default_factory=dict)
    _waiting: dict[str, deque[Question[Any]]] = field(default_factory=dict)
    _known: dict[tuple[Any, ...], Question[Any]] = field(default_factory=dict)
    _began: OrderedDict[tuple[Any, ...], float] = field(default_factory=OrderedDict)
    """When each was asked last, in monotonic seconds."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="ask")

    def submit(self, ask: Callable[[str, str], T], repo: str, ref: str) -> Future[T]:
        """`ask(repo, ref)`, as soon as the repository's host has a place."""
        return self.question(ask, repo, ref).answer

    def question(self, ask: Callable[[str, str], T], repo: str, ref: str) -> Question[T]:
        """The same, with the moment when it began."""
        key = (ask, repo, ref)
        with self._guard:
            known = self._known.get(key)
            if known is None:
                known = Question(key, logs.carried(lambda: ask(repo, ref)))
                known.answer.set_running_or_notify_cancel()  # nobody ends it for the others
                host = host_name(repo)
                waiting = self._waiting.get(host, deque())
                if self.waiting and len(waiting) >= self.waiting:
                    known.answer.set_exception(asked_too_much(repo))
                    return known
                self._known[key] = known
                self._waiting[host] = waiting
                waiting.append(known)
                self._start(host)
        return known

    def _start(self, host: str) -> None:
        """Ask what may be asked now; the guard is held."""
        waiting = self._waiting.get(host)
        while waiting and self._running.get(host, 0) < self.per_host:
            question = waiting.popleft()
            self._running[host] = self._running.get(host, 0) + 1
            try:
                self._pool.submit(self._run, host, question)
            except RuntimeError as error:  # no more threads: others may be many, or memory little
                self._forget(host, question)
                question.answer.set_exception(too_busy(error))
        if not waiting:
            self._waiting.pop(host, None)

    def _forget(self, host: str, question: Question[Any]) -> None:
        """It is asked no more; the guard is held."""
        del self._known[question.key]
        self._running[host] -= 1
        if not self._running[host]:
            del self._running[host]

    def _run(self, host: str, question: Question[Any]) -> None:
        if question.answer.done():  # the pool keeps what it had no thread for
            return
        found: Any = None
        error: BaseException | None = None
        try:
            time.sleep(self._pause(question.key))
            found = question.ask()
        except BaseException as failed:  # whoever waits for the answer gets it
            error = failed
        with self._guard:
            self._forget(host, question)  # before it is answered: who comes later asks anew
        if error:
            question.answer.set_exception(error)
        else:
            question.answer.set_result(found)
        with self._guard:
            self._start(host)

    def _pause(self, key: tuple[Any, ...]) -> float:
        """Seconds until the question may be asked again; from then on it has been."""
        now = time.monotonic()
        with self._guard:
            begins = max(now, self._began.get(key, 0.0) + APART)
            self._began[key] = begins
            self._began.move_to_end(key)
            if len(self._began) > MOST:
                self._began.popitem(last=False)
        return begins - now


def too_busy(error: RuntimeError) -> SessionFailed:
    log.warning("a git host is not asked: %s", error)
    said = SessionFailed("This server has too much to do to ask a git server now.")
    said.__cause__ = error
    return said


def asked_too_much(repo: str) -> Slow:
    return Slow(
        f"Very much is asked of the git server of {repo} just now.",
        hint="Try again in a minute; the link itself may be fine.",
    )


def host_name(repo: str) -> str:
    try:
        host, port = host_of(repo)
        return f"{host}:{port}" if port else host
    except BadEnvironment:  # an image, or nothing that is ever contacted
        return ""


def answer_within(answer: Future[T], seconds: float, repo: str) -> T:
    """The answer, or that it takes too long; whoever is asked goes on being asked.

    :raises GitHostDown: there is none yet.
    """
    try:
        return answer.result(timeout=max(0.0, seconds))
    except TimeoutError as error:
        raise GitHostDown(
            f"The git server of {repo} has not answered yet.",
            hint="Try again in a minute; the link itself may be fine.",
        ) from error
