"""Work that holds a thread of the app for long: a few at a time, and one of each student."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import ParamSpec, TypeVar

from launcher.errors import TooBusy
from launcher.web.request import known_student

PATIENCE = 20.0
"""Seconds that a class waits which asks for the same at once: the last ones have it by then."""
WAITING = 48
"""Who may wait so; each holds a thread, too."""
WAITING_EACH = 2
"""Of one student: who clicks again and again."""

Words = ParamSpec("Words")
Answer = TypeVar("Answer")


@dataclass
class ConcurrencyLimit:
    """Refuses what would be too many: at once, or after `patience` seconds."""

    most: int = 16
    patience: float = 0.0
    waiting: int = WAITING
    _holders: set[str] = field(default_factory=set)
    _waiters: list[str] = field(default_factory=list)
    _ended: threading.Condition = field(default_factory=threading.Condition)

    def take(self, student: str) -> None:
        """Begin; `give_back` must follow.

        :raises TooBusy: with the reason.
        """
        with self._ended:
            self._wait(student)
            if student in self._holders:
                raise TooBusy("What you asked for before is still under way.")
            if len(self._holders) >= self.most:
                raise TooBusy("Many others ask for the same just now.")
            self._holders.add(student)

    def _wait(self, student: str) -> None:
        """Return when there is a place, or it is no use to wait for it."""
        many = len(self._waiters) >= self.waiting or self._waiters.count(student) >= WAITING_EACH
        if self._has_place(student) or many:
            return
        self._waiters.append(student)
        try:
            self._ended.wait_for(lambda: self._has_place(student), self.patience)
        finally:
            self._waiters.remove(student)

    def _has_place(self, student: str) -> bool:
        return student not in self._holders and len(self._holders) < self.most

    def give_back(self, student: str) -> None:
        with self._ended:
            self._holders.discard(student)
            self._ended.notify_all()

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
