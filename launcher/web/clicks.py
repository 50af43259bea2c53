"""How many launches one student and one address may begin: so many that only abuse meets it."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from launcher.errors import LaunchError
from launcher.web.rate import RateLimit, Taken
from launcher.web.request import asker
from link_generator.link import Link, compose_link

MOST = 50_000
"""Launches that are remembered, so that they are counted once."""


class TooManyLaunches(LaunchError):
    """A student or an address began more launches than the settings allow."""

    def __init__(self, taken: Taken, whose: str) -> None:
        at = time.strftime("%H:%M", time.localtime(taken.reset))
        minutes = max(1, round(taken.wait / 60))
        super().__init__(
            f"{taken.limit} launches were begun {whose} within an hour, and more are not allowed.",
            hint=f"Click the link again at {at}, in {minutes} min. Sessions that run go on.",
        )
        self.retry_after = taken.wait


@dataclass
class ClickLimits:
    """Counts a student's launch of a link once: reloads and polls of it are no new launch."""

    per_student: RateLimit
    per_address: RateLimit
    trusted_proxies: Sequence[str] = ()
    _counted: OrderedDict[str, float] = field(default_factory=OrderedDict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def check(self, student: str, link: Link) -> None:
        """:raises TooManyLaunches: with the time at which the next one may begin."""
        key = hashlib.sha256(f"{student} {compose_link(link, '')}".encode()).hexdigest()[:32]
        now = time.monotonic()
        with self._guard:
            if now - self._counted.get(key, -math.inf) < self.per_student.window:
                return
        for limit, who, whose in (
            (self.per_student, student, "by you"),
            (self.per_address, asker(self.trusted_proxies), "from your network address"),
        ):
            taken = limit.take(who)
            if taken and not taken.allowed:
                raise TooManyLaunches(taken, whose)
        with self._guard:
            self._counted[key] = now
            self._counted.move_to_end(key)
            while len(self._counted) > MOST:
                self._counted.popitem(last=False)
