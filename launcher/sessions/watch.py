"""Watches what running sessions take: tells students before it is too much, and ends what goes on.

A home is a plain folder: it survives whatever happens to the launcher, and any backup sees it.
So its limit is kept by looking, every few seconds and at once when the disk fills quickly.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from launcher.content.size import human
from launcher.homes import disk
from launcher.rounds import Rounds
from launcher.session import Session
from launcher.sessions.notices import DISK, MEMORY, Notice, Notices
from launcher.sessions.sessions import Sessions

log = logging.getLogger(__name__)

QUICKLY = 128 * 1024**2
"""Bytes that the disk may lose before all homes are looked at out of turn."""
SHARE = 30
"""A look at all homes that took a second is followed by so many seconds without one."""
TOLERANCE = 0.1
"""Of the limit, above it: what is saved in the moment of being full is not worth a stop."""


def memory_text(limit: int) -> str:
    return (
        f"A program in this session needed more than its {human(limit)} of memory and was ended. "
        "If it was a notebook's kernel, its variables are gone; your saved files are safe. "
        "The kernel begins again; run it with less data."
    )


def disk_text(used: int, limit: int) -> str:
    if used < limit:
        return (
            f"Your folder is {100 * used // limit} % full: {human(used)} of {human(limit)}. "
            "Remove what you no longer need."
        )
    return (
        f"Your folder is full: {human(used)} of {human(limit)}. Remove files; "
        "a session that goes on filling it is stopped. What you saved is safe."
    )


@dataclass
class Watch:
    """Looks every two seconds at what is cheap, and at all homes as often as that costs little."""

    sessions: Sessions
    notices: Notices
    every: float = 4.0
    """Seconds between two looks at the homes, at least."""
    pause: float = 2.0
    began: float = field(default_factory=time.time)
    _kills: dict[str, int] = field(default_factory=dict)
    _first: dict[str, int] = field(default_factory=dict)
    """Bytes of each session's home when it was first looked at: one may open a full folder."""
    _next: float = float("-inf")
    """When the homes have their turn, on the monotonic clock."""
    _free: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def round(self, *, now: bool = False) -> None:
        """One look; homes only in their turn, or `now`."""
        running = None
        kills = self.sessions.runtime.kills()
        if any(count > self._kills.get(one, 0) for one, count in kills.items()):
            running = self.running()
            self.tell_kills(running, kills)
        free = self.free()
        quickly = self._free - free > QUICKLY
        began = time.monotonic()
        if not (now or quickly or began > self._next):
            return
        self._free = free
        running = running or self.running()
        self.notices.only(running)
        for known in (self._kills, self._first):
            for gone in known.keys() - running.keys():
                del known[gone]
        self.look_at_disks(running)
        ended = time.monotonic()
        self._next = ended + max(self.every, SHARE * (ended - began))

    def running(self) -> dict[str, Session]:
        return {one.id: one for one in self.sessions.runtime.list() if one.running}

    def tell_kills(self, running: Mapping[str, Session], kills: Mapping[str, int]) -> None:
        """A kernel that the system killed says nothing itself; so this does."""
        for session_id, count in kills.items():
            session, before = running.get(session_id), self._kills.get(session_id)
            if before is None and session and session.started < self.began:
                before = count  # from before this launcher: told then
            if session and count > (before or 0):
                log.warning("memory limit", extra={"session_id": session_id, "kills": count})
                text = memory_text(self.sessions.limits.memory)
                self.notices.put(session_id, Notice(MEMORY, text, time.time()))
            self._kills[session_id] = count

    def look_at_disks(self, running: Mapping[str, Session]) -> None:
        limit = self.sessions.limits.disk
        if not limit:
            return
        layers = self.sessions.runtime.written()
        for session in running.values():
            if layers.get(session.id, 0) > limit:
                why = f"it wrote more than {human(limit)} outside of its home folder"
                self.sessions.stop_if_free(session, why=why)
                continue
            found = self.sessions.used(session)
            if found is not None:
                self.judge(session, found, limit)

    def judge(self, session: Session, found: int, limit: int) -> None:
        """Tell a home that is nearly full, and stop the session of one that goes on growing."""
        first = self._first.setdefault(session.id, found)
        if found > max(first, limit) + TOLERANCE * limit:
            log.warning("disk limit", extra={"session_id": session.id, "used": found})
            why = f"its folder grew over {human(limit)}, the most that it may hold"
            self.sessions.stop_if_free(session, why=why)
        elif found >= disk.NEARLY * limit:
            notice = Notice(
                DISK,
                disk_text(found, limit),
                time.time(),
                mark="full" if found >= limit else "nearly",
                href=f"/sessions/{session.id}/disk",
                label="What takes room",
            )
            self.notices.put(session.id, notice)
        else:
            self.notices.clear(session.id, DISK)

    def free(self) -> int:
        """Bytes that the disk of the homes has left."""
        folder = self.sessions.homes.folder
        try:
            found = os.statvfs(folder if folder.exists() else folder.parent)
        except OSError:
            return 0
        return found.f_bavail * found.f_frsize

    def _run(self) -> None:
        rounds = Rounds("a look at the sessions")
        while not self._ended.wait(self.pause):
            rounds.run(self.round)
