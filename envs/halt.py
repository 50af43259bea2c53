"""Ending a build from outside: because somebody wishes it, or at its time limit.

A step that prints nothing must end as well, so a thread looks beside each step.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import IO, TypeVar

from envs.errors import BuildCancelled, EnvError, OverLimit

Found = TypeVar("Found")


def nobody() -> bool:
    return False


@dataclass(frozen=True)
class Halt:
    """Whether a build is to end before its own end."""

    wished: Callable[[], bool] = nobody
    """True once somebody wants the build to end."""
    deadline: float = math.inf
    """On the monotonic clock."""
    limit: float = math.inf
    """The seconds that lead to the deadline, for the message."""
    every: float = 0.2
    """Seconds between two looks."""

    def within(self, seconds: float) -> Halt:
        """The same, for a build that may take so long from now on, or less."""
        deadline = time.monotonic() + seconds
        if deadline >= self.deadline:
            return self
        return replace(self, deadline=deadline, limit=seconds)

    def why(self) -> EnvError | None:
        """The reason to end now, or None."""
        if self.wished():
            return BuildCancelled("The build was cancelled.", hint="Open the link again to build.")
        if time.monotonic() > self.deadline:
            return OverLimit(f"The build took longer than {self.limit:.0f} s.")
        return None

    def check(self) -> None:
        """:raises EnvError: the build is to end now."""
        reason = self.why()
        if reason:
            raise reason

    @contextlib.contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """While the block runs, call `end` from another thread as soon as there is a reason.

        `end` makes the block return or raise; whatever it raises then, the reason is raised. It is
        called again until the block is over, as a step may be just about to begin.
        """
        over, reasons = threading.Event(), list[EnvError]()

        def watch() -> None:
            while not over.is_set():
                reason = reasons[0] if reasons else self.why()
                if reason:
                    reasons[:] = [reason]
                    end()
                over.wait(self.every)

        watcher = threading.Thread(target=watch, name="halt", daemon=True)
        watcher.start()
        try:
            yield
        except Exception as error:
            if reasons:
                raise reasons[0] from error
            raise
        finally:
            over.set()
            watcher.join()
        if reasons:
            raise reasons[0]

    def answer(
        self, ask: Callable[[], Found], drop: Callable[[Found], object] = lambda _: None
    ) -> Found:
        """What `ask` returns or raises, which nobody can end; with a reason nobody waits for it.

        `drop` gets what comes all the same.

        :raises EnvError: the reason.
        """
        found = Future[Found]()

        def run() -> None:
            try:
                found.set_result(ask())
            except BaseException as error:
                found.set_exception(error)

        threading.Thread(target=run, name="asks", daemon=True).start()
        while not wait([found], self.every).done:
            reason = self.why()
            if reason:
                found.add_done_callback(lambda one: one.exception() or drop(one.result()))
                raise reason
        return found.result()

    def lock(self, file: IO[str]) -> None:
        """Take the lock of an open file, waiting for it no longer than the build may last."""
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                self.check()
                time.sleep(self.every)


NO_HALT = Halt()
"""Nobody can end it, and it has no time limit."""
