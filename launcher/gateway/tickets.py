"""Tickets: the way of a session's owner from the launcher's host name to the sessions' one.

The cookie that says who somebody is stays at the launcher's. A ticket is a random number that only
this process knows, for one session of one owner; it counts once, within a minute.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

NAME = "launcher_ticket"
"""The parameter of an address that carries one."""
LIFE = 60.0
"""Seconds; a browser follows a redirect at once."""


@dataclass(frozen=True)
class Ticket:
    """What one is good for."""

    session: str
    owner: str
    until: float


@dataclass
class Tickets:
    """Those that were given and not yet used; a restart forgets them, and browsers get new ones."""

    clock: Callable[[], float] = time.monotonic
    _given: dict[str, Ticket] = field(default_factory=dict)

    def give(self, session: str, owner: str) -> str:
        """A new ticket for the owner of the session."""
        self._forget_old()
        number = secrets.token_urlsafe(32)
        self._given[number] = Ticket(session, owner, self.clock() + LIFE)
        return number

    def take(self, number: str, session: str, owner: str) -> bool:
        """True for a ticket of this session and its owner; it is used up in any case."""
        found = self._given.pop(number, None)
        if found is None or found.until <= self.clock():
            return False
        return (found.session, found.owner) == (session, owner)

    def _forget_old(self) -> None:
        while self._given:
            oldest = next(iter(self._given))
            if self._given[oldest].until > self.clock():
                return
            del self._given[oldest]
