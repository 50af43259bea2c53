"""A clock that somebody sets, or that stood still while the machine slept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

JUMP = 60.0
"""Seconds between two looks that the clock may be off; it is set by less all the time."""

log = logging.getLogger(__name__)


@dataclass
class Jumps:
    """Notices when the clock jumps, as far as it is looked at."""

    so: str
    """What follows from a jump, for the log."""
    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    _before: tuple[float, float] | None = None
    _jumped: float = 0.0

    def last(self) -> float:
        """Unix seconds, by the clock of now, at which it last jumped; 0 for never."""
        now = self.wall(), self.steady()
        if self._before:
            off = (now[0] - self._before[0]) - (now[1] - self._before[1])
            if abs(off) > JUMP:
                self._jumped = now[0]
                log.warning("the clock jumped by %.0f s: %s", off, self.so)
        self._before = now
        return self._jumped

    def recent(self, seconds: float) -> bool:
        """True for so long after a jump: what seems to be old then may be new."""
        jumped = self.last()
        return bool(jumped) and self.wall() - jumped < seconds
