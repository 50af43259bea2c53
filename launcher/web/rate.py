"""How often somebody may ask, and which address a request comes from. No I/O here."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from launcher.errors import LaunchError
from launcher.gateway.headers import browser_address

MOST = 10_000
"""Addresses that are remembered; then those that asked first are forgotten."""


@dataclass(frozen=True)
class Taken:
    """What is left after a request."""

    allowed: bool
    limit: int
    remaining: int
    left: float
    """Seconds until all of it is there again."""

    @property
    def wait(self) -> int:
        """The same for people and headers: whole, and never none."""
        return max(1, round(self.left))

    @property
    def reset(self) -> float:
        """Unix seconds of that moment, by the clock of now."""
        return time.time() + self.left

    def headers(self) -> dict[str, str]:
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(int(self.reset)),
        }


class TooOften(LaunchError):
    """An address asked for something more often than the settings allow."""

    def __init__(self, message: str, taken: Taken) -> None:
        super().__init__(message, hint=f"Try again in {-(-taken.wait // 60)} min.")
        self.retry_after = taken.wait


@dataclass
class RateLimit:
    """So many requests of an address or a student per window; a limit of 0 is none."""

    limit: int
    window: float = 3600.0
    """Seconds."""
    _counts: dict[str, tuple[float, int]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def take(self, who: str) -> Taken | None:
        """Count a request of `who`; None where there is no limit."""
        if not self.limit:
            return None
        now = time.monotonic()  # the clock may be set, and nobody's window with it
        with self._guard:
            began, count = self._counts.get(who, (now, 0))
            if now - began >= self.window:
                began, count = now, 0
            allowed = count < self.limit
            count += allowed
            if who not in self._counts and len(self._counts) >= MOST:
                del self._counts[next(iter(self._counts))]
            self._counts[who] = (began, count)
        return Taken(allowed, self.limit, self.limit - count, began + self.window - now)

    def check(self, who: str, message: str) -> None:
        """Count a request of `who`.

        :raises TooOften: with the message, and when the next one may come.
        """
        taken = self.take(who)
        if taken and not taken.allowed:
            raise TooOften(message, taken)


def client_address(forwarded_for: str, trusted: Sequence[str]) -> str:
    """As `browser_address`; of IPv6 its network, which one house has. Empty for none."""
    found = browser_address(forwarded_for, trusted)
    if found and found.version == 6:
        return str(ipaddress.ip_network(f"{found}/64", strict=False))
    return str(found or "")
