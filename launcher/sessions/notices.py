"""What a student should know about a session that runs: kept here until it holds no more."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field

MEMORY, DISK, ENDING = "memory", "disk", "ending"
LASTS = 600.0
"""Seconds that a notice of something that happened is shown; who saw it can close it before."""


@dataclass(frozen=True)
class Notice:
    """One sentence or two, with the way out."""

    kind: str
    text: str
    at: float
    """Unix seconds of what it tells."""
    mark: str = ""
    """What makes it news: one of another mark is shown to who closed the last one."""
    keep: bool = False
    """True where using the session keeps it from ending."""
    href: str = ""
    """A page that helps."""
    label: str = ""


@dataclass
class Notices:
    """The notices of all sessions, one of each kind; lost at a restart, and then found again."""

    _known: dict[str, dict[str, tuple[Notice, float]]] = field(default_factory=dict)
    """Each with when it was put there, in monotonic seconds."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def put(self, session_id: str, notice: Notice) -> None:
        with self._guard:
            self._known.setdefault(session_id, {})[notice.kind] = (notice, time.monotonic())

    def clear(self, session_id: str, kind: str) -> None:
        with self._guard:
            self._known.get(session_id, {}).pop(kind, None)

    def of(self, session_id: str) -> list[Notice]:
        """What holds now, the most urgent first."""
        with self._guard:
            found = self._known.get(session_id, {})
            now = time.monotonic()
            return [
                found[kind][0]
                for kind in (ENDING, MEMORY, DISK)
                if kind in found and (kind != MEMORY or now - found[kind][1] < LASTS)
            ]

    def only(self, running: Collection[str]) -> None:
        """Forget sessions that are gone."""
        with self._guard:
            for session_id in self._known.keys() - set(running):
                del self._known[session_id]
