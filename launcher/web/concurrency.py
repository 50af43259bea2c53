"""Work that holds a thread of the app for long: a few at a time, and one of each student."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

from launcher.errors import LaunchError
from launcher.web.request import known_student

Words = ParamSpec("Words")
Answer = TypeVar("Answer")


class TooBusy(LaunchError):
    """What this student asked for before is still under way, or too much of others is."""


@dataclass
class ConcurrencyLimit:
    """Refuses at once what would be too many: who waited would hold a thread, too."""

    most: int = 16
    _holders: set[str] = field(default_factory=set)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def take(self, student: str) -> None:
        """Begin; `give_back` must follow.

        :raises TooBusy: with the reason.
        """
        with self._guard:
            if student in self._holders:
                raise TooBusy("What you asked for before is still under way.")
            if len(self._holders) >= self.most:
                raise TooBusy("Many others ask for the same just now.")
            self._holders.add(student)

    def give_back(self, student: str) -> None:
        with self._guard:
            self._holders.discard(student)

    @contextlib.contextmanager
    def held_by(self, student: str) -> Iterator[None]:
        """Take, and give back in the end.

        :raises TooBusy: see `take`.
        """
        self.take(student)
        try:
            yield
        finally:
            self.give_back(student)

    def one_each(self, view: Callable[Words, Answer]) -> Callable[Words, Answer]:
        """The view, held by the student who asks while it works."""

        @wraps(view)
        def limited(*args: Words.args, **words: Words.kwargs) -> Answer:
            with self.held_by(known_student() or "-"):
                return view(*args, **words)

        return limited
