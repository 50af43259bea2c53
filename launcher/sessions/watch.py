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

from envs.sizes import human
from launcher.rounds import Rounds
from launcher.session import Session
from launcher.sessions.disk_limits import SHARE, DiskLimits
from launcher.sessions.notices import MEMORY, Notice, Notices
from launcher.sessions.sessions import Sessions

log = logging.getLogger(__name__)

QUICKLY = 128 * 1024**2
"""Bytes that the disk may lose before all homes are looked at out of turn."""


def memory_text(limit: int) -> str:
    return (
        f"A program in this session needed more than its {human(limit)} of memory and was ended. "
        "If it was a notebook's kernel, its variables are gone; your saved files are safe. "
        "The kernel begins again; run it with less data."
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
    _next: float = float("-inf")
    """When the homes have their turn, on the monotonic clock."""
    _free: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._disks = DiskLimits(self.sessions, self.notices)

    def start(self) -> None:
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        self._ended.set()

    def round(self, *, now: bool = False) -> None:
        """One look; homes only in their turn, or `now`."""
        self.sessions.runtime.cut_logs()
        running = None
        kills = self.sessions.runtime.kills()
        if any(count > self._kills.get(one, 0) for one, count in kills.items()):
            running = self.running()
            self.tell_kills(running, kills)
        free = self.free()
        quickly = self._free - free > QUICKLY
        if not (now or quickly or time.monotonic() > self._next):
            return
        self._free = free
        running = running or self.running()
        self.notices.only(running)
        for gone in self._kills.keys() - running.keys():
            del self._kills[gone]
        took = self._disks.round(running, every=now or quickly)
        self._next = time.monotonic() + max(self.every, SHARE * took)

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
