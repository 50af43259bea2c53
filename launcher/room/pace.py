"""How long the line takes, guessed from how long sessions really lasted here."""

from __future__ import annotations

import statistics
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

ENOUGH = 3
"""Sessions that must have ended before a number is said."""


@dataclass
class Pace:
    """Lengths of the sessions that ended last, in seconds."""

    lengths: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    starts: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    """Seconds from a place to an open notebook."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ended(self, lengths: Iterable[float]) -> None:
        with self._guard:
            self.lengths.extend(length for length in lengths if length > 0)

    def opened(self, seconds: float) -> None:
        with self._guard:
            self.starts.append(seconds)

    def seconds_until(self, number: int, running: int) -> float | None:
        """Until the place of this number opens its notebook; None while too little is measured.

        `running` sessions of a mean length end one every `mean / running` seconds: Little's law.
        """
        with self._guard:
            if len(self.lengths) < ENOUGH or running < 1:
                return None
            start = statistics.median(self.starts) if self.starts else 0.0
            return number * statistics.fmean(self.lengths) / running + start


def about(seconds: float) -> str:
    """A guess in words that do not pretend to know more: `40 s`, `3 min`, `1 h 20 min`."""
    if seconds < 60:
        return f"{max(10, round(seconds / 10) * 10)} s"
    minutes = round(seconds / 60)
    if minutes > 10:
        minutes = round(minutes / 5) * 5
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
