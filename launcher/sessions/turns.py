"""One launch at a time for a student and course."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from launcher.errors import TooBusy


class Turns:
    """Who has their turn now; nothing is kept of the others."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, str]] = set()
        self._ended = threading.Condition()

    @contextlib.contextmanager
    def wait_for(
        self, student: str, course: str, *, patience: float | None = None
    ) -> Iterator[None]:
        """Have the turn as soon as nobody else does.

        :raises TooBusy: that takes longer than `patience` seconds.
        """
        with self._ended:
            if not self._ended.wait_for(lambda: (student, course) not in self._taken, patience):
                raise TooBusy("A launch or an update of this session is still under way.")
            self._taken.add((student, course))
        try:
            yield
        finally:
            self._end(student, course)

    @contextlib.contextmanager
    def if_free(self, student: str, course: str) -> Iterator[bool]:
        """Have the turn if nobody else does; False: a launch is under way."""
        with self._ended:
            free = (student, course) not in self._taken
            self._taken.add((student, course))
        try:
            yield free
        finally:
            if free:
                self._end(student, course)

    def _end(self, student: str, course: str) -> None:
        with self._ended:
            self._taken.remove((student, course))
            self._ended.notify_all()
