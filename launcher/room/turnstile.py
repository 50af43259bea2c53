"""Lets a few launches at a time do their work: the first of a class are in while others wait.

Forty that share four cores all get theirs at the very end; one after the other, half of them have
it in half of the time, and the last one no later.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

LONGEST = 2.0
"""Seconds after which the next one enters all the same: one that waits for a start, or hangs, holds
nobody up."""


@dataclass
class Turnstile:
    """Who comes first enters first; at most `places` are inside, but for those that hang."""

    places: int
    longest: float = LONGEST
    now: Callable[[], float] = time.monotonic
    _inside: dict[threading.Condition, float] = field(default_factory=dict)
    """When each entered."""
    _waiting: deque[threading.Condition] = field(default_factory=deque)
    """Only the first of them is woken: forty that look each time would slow down who is inside."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def turn(self, waits: Callable[[int], None] = lambda _before: None) -> Iterator[None]:
        """Enter when it is this one's turn; `waits` is told how many are before it, if any are."""
        me = threading.Condition(self._guard)
        with self._guard:
            self._waiting.append(me)
            before = self._waiting.index(me)
            wait = not self._may_enter(me)
        try:
            if wait:
                waits(before)
            with self._guard:
                while not self._may_enter(me):
                    first = self._waiting[0] is me
                    me.wait(self._seconds_left() if first else None)
                self._inside[me] = self.now()
        finally:
            with self._guard:
                self._waiting.remove(me)
                self._wake()
        try:
            yield
        finally:
            with self._guard:
                del self._inside[me]
                self._wake()

    def _wake(self) -> None:
        if self._waiting:
            self._waiting[0].notify()

    def _may_enter(self, me: threading.Condition) -> bool:
        late = self.now() - self.longest
        busy = sum(entered > late for entered in self._inside.values())
        return self._waiting[0] is me and busy < self.places

    def _seconds_left(self) -> float:
        """Until the oldest of those inside no longer counts."""
        late = self.now() - self.longest
        fresh = [entered - late for entered in self._inside.values() if entered > late]
        return max(0.05, min(fresh, default=self.longest))
