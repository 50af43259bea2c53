"""Keeps the limits of what sessions store: students are told first, then their session is stopped.

What cannot be measured again and again counts as over the limit, or a student need only make that
so. It does not where the machine is the reason: it cannot read, or everything takes too long.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from envs.sizes import human
from launcher.errors import LaunchError
from launcher.homes import disk
from launcher.session import Session
from launcher.sessions.notices import DISK, Notice, Notices
from launcher.sessions.sessions import Sessions

log = logging.getLogger(__name__)

SHARE = 30
"""A look that took a second is followed by so many seconds without one."""
TOLERANCE = 0.1
"""Of the limit, above it: what is saved in the moment of being full is not worth a stop."""
AT_ONCE = 4
"""Homes that are looked at at a time, and as many more of those that take long."""
SLOW = 1.0
"""Seconds; a home that takes longer has turns of its own, and the others need not wait for it."""
UNKNOWN_TOLD, UNKNOWN_STOPPED = 3, 6
"""Looks in a row that did not see a home to its end: its student is told, then it is stopped."""
UNCOUNTED = 3
"""Times in a row that the engine could not count what one session wrote outside of its home."""
TURN = 120.0
"""Seconds that a launch or an update may keep a session over its limit from being stopped."""

OUTSIDE = "outside of its home folder"
UNKNOWN_TEXT = (
    "Your folder cannot be measured: it has too many files, too many folders in folders, or "
    "folders that move all the time. A session of which that goes on is stopped. "
    "What you saved is safe."
)


def disk_text(used: int, limit: int, held: int = 0) -> str:
    open_still = f"{human(held)} of it are deleted files that a program has open: end it. "
    why = open_still if held > TOLERANCE * used else ""
    if used < limit:
        return (
            f"Your folder is {100 * used // limit} % full: {human(used)} of {human(limit)}. "
            f"{why}Remove what you no longer need."
        )
    return (
        f"Your folder is full: {human(used)} of {human(limit)}. {why}Remove files; "
        "a session that goes on filling it is stopped. What you saved is safe."
    )


def files_text(entries: int, limit: int) -> str:
    what = "too many files" if entries >= limit else "many files"
    return (
        f"Your folder has {what}: {entries:,} files and folders of {limit:,}. Remove what you no "
        "longer need; a session that makes more is stopped. What you saved is safe."
    )


@dataclass
class Known:
    """What is remembered of one session."""

    first: disk.Look | None = None
    """The first look that saw all of its home, with deleted files: one may open a full folder."""
    unknown: int = 0
    """How many looks in a row did not see its home to its end."""
    uncounted: int = 0
    """How often in a row the engine could not count what it wrote outside of it."""
    written: int = 0
    """Bytes of that, when they were last counted."""
    slow: bool = False
    """True from a look at its home that took long until one that did not."""
    later: float = float("-inf")
    """When a home that takes long has its turn, on the monotonic clock."""
    refused: float | None = None
    """Since when it should be stopped and a launch has its turn, on the same clock."""


@dataclass
class DiskLimits:
    """Looks at all sessions that run, whenever it is told to."""

    sessions: Sessions
    notices: Notices
    _known: dict[str, Known] = field(default_factory=dict)
    _next_layers: float = float("-inf")
    _slow_looks: dict[str, Future[disk.Look]] = field(default_factory=dict)
    """Looks at homes that take long; they go on beside the rounds."""

    def __post_init__(self) -> None:
        self._usual = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="disk")
        self._slow = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="slow-disk")

    def round(self, running: Mapping[str, Session], *, every: bool) -> float:
        """One look; `every` is for those homes, too, whose turn has not come.

        The seconds that it took of homes that can be looked at often.
        """
        self._known = {one: self._known.get(one) or Known() for one in running}
        limits = self.sessions.limits
        if not (limits.disk or limits.files):
            return 0.0
        took = self.look_at_homes(running, every=every)
        if limits.disk and time.monotonic() > self._next_layers:
            self.look_at_layers(running, limits.disk)
        return took

    def look_at_layers(self, running: Mapping[str, Session], limit: int) -> None:
        """What sessions write outside of their homes has the limit, too; the engine counts it."""
        began = time.monotonic()
        try:
            layers = self.sessions.runtime.written()
        except (LaunchError, OSError) as error:  # homes are looked at all the same
            log.warning("what sessions write %s is not known: %s", OUTSIDE, error)
            layers = {}
        ended = time.monotonic()
        self._next_layers = ended + min(TURN, SHARE * (ended - began))
        counts = len(layers) == 1 or any(size is not None for size in layers.values())
        for session_id in layers.keys() & running.keys():
            known, size = self._known[session_id], layers[session_id]
            known.uncounted = 0 if size is not None else known.uncounted + counts
            known.written = known.written if size is None else size
            if known.uncounted >= UNCOUNTED:
                self.end(running[session_id], f"what it wrote {OUTSIDE} cannot be counted")
            elif known.written > limit:
                self.end(running[session_id], f"it wrote more than {human(limit)} {OUTSIDE}")

    def look_at_homes(self, running: Mapping[str, Session], *, every: bool) -> float:
        """Judge the homes whose turn it is; the seconds of those that take little.

        What a home surely has too much of is enough as soon as it was seen.
        """
        seen, within = dict[str, disk.Look](), list[Session]()
        for session_id, found in self.looks(running, every=every):
            seen[session_id] = found
            known = self._known[session_id]
            known.slow = found.seconds > SLOW
            known.later = time.monotonic() + SHARE * found.seconds if known.slow else float("-inf")
            if not self.end_over(running[session_id], found):
                within.append(running[session_id])
        held = self.held_open(within)
        alone = all(one.trouble for one in seen.values())
        for session in within:
            self.judge(session, seen[session.id], *held.get(session.id, (0, 0)), alone=alone)
        return sum(one.seconds for one in seen.values() if one.seconds <= SLOW)

    def looks(
        self, running: Mapping[str, Session], *, every: bool
    ) -> Iterator[tuple[str, disk.Look]]:
        """Each as it ends; of homes that are known to take long those that have ended by now."""
        now, usual = time.monotonic(), dict[Future[disk.Look], str]()
        for session in running.values():
            known = self._known[session.id]
            if not known.slow:
                usual[self._usual.submit(self.sessions.look_at_disk, session)] = session.id
            elif session.id not in self._slow_looks and (every or known.later <= now):
                look = self._slow.submit(self.sessions.look_at_disk, session)
                self._slow_looks[session.id] = look
        for look in as_completed(usual):
            yield usual[look], look.result()
        for session_id in [one for one, look in self._slow_looks.items() if look.done()]:
            found = self._slow_looks.pop(session_id).result()
            if session_id in running:
                yield session_id, found

    def held_open(self, sessions: Sequence[Session]) -> dict[str, tuple[int, int]]:
        """Bytes of deleted files that each session's processes have open: on the disk of its home,
        and outside of it."""
        try:
            processes = self.sessions.runtime.processes()
        except (LaunchError, OSError) as error:
            log.warning("which processes sessions have is not known: %s", error)
            return {}
        found = {}
        for session in sessions:
            own = processes.get(session.id, ())
            home = disk.device_of(self.sessions.homes.path(session.owner, session.course))
            roots = {disk.device_of(f"/proc/{one}/root") for one in own} - {home, None}
            held = disk.held_open(own)
            outside = sum(size for device, size in held.items() if device in roots)
            found[session.id] = (held.get(home, 0) if home is not None else 0, outside)
        return found

    def judge(
        self, session: Session, found: disk.Look, held: int, outside: int, *, alone: bool
    ) -> None:
        """Tell a home that is nearly full, and stop the session of one that goes on growing.

        `held` are bytes of deleted files on its disk, `outside` elsewhere; `alone` says that no
        home was seen to its end this time.
        """
        known, limits, used = self._known[session.id], self.sessions.limits, found.used + held
        if not found.trouble:
            known.unknown, known.first = 0, known.first or disk.Look(used, found.entries)
        if self.end_over(session, found, held, outside):
            return
        if found.trouble:
            self.judge_unknown(session, found, alone=alone)
            return
        if known.written <= limits.disk and known.uncounted < UNCOUNTED:
            known.refused = None
        if limits.files and found.entries >= disk.NEARLY * limits.files:
            mark = "too-many" if found.entries >= limits.files else "many"
            self.tell(session, files_text(found.entries, limits.files), mark)
        elif limits.disk and used >= disk.NEARLY * limits.disk:
            mark = "full" if used >= limits.disk else "nearly"
            self.tell(session, disk_text(used, limits.disk, held), mark)
        else:
            self.notices.clear(session.id, DISK)

    def end_over(self, session: Session, found: disk.Look, held: int = 0, outside: int = 0) -> bool:
        """Stop the session if it is over a limit, or a launch has its turn first; whether it is."""
        known, limits, used = self._known[session.id], self.sessions.limits, found.used + held
        if limits.disk and outside and known.written + outside > limits.disk:
            self.end(session, f"it wrote more than {human(limits.disk)} {OUTSIDE}")
        elif known.first and is_over(used, known.first.used, limits.disk):
            log.warning("disk limit", extra={"session_id": session.id, "used": used})
            most = f"{human(limits.disk)}, the most that it may hold"
            self.end(session, f"its folder grew over {most}")
        elif known.first and is_over(found.entries, known.first.entries, limits.files):
            log.warning("limit of files", extra={"session_id": session.id, "files": found.entries})
            self.end(session, f"its folder has more than {limits.files:,} files, the most of all")
        else:
            return False
        return True

    def judge_unknown(self, session: Session, found: disk.Look, *, alone: bool) -> None:
        """Tell, and in the end stop, one whose home is not seen to its end."""
        known = self._known[session.id]
        busy = alone and os.getloadavg()[0] > (os.cpu_count() or 1)
        if found.trouble == disk.UNREAD or (found.trouble == disk.SLOW and busy):
            return
        known.unknown += 1
        if known.unknown >= UNKNOWN_STOPPED:
            log.warning("home not known", extra={"session_id": session.id, "why": found.trouble})
            self.end(session, "its folder could not be measured: too many files, or they move")
        elif known.unknown >= UNKNOWN_TOLD:
            self.tell(session, UNKNOWN_TEXT, "unknown")

    def tell(self, session: Session, text: str, mark: str) -> None:
        href, label = f"/sessions/{session.id}/disk", "What takes room"
        notice = Notice(DISK, text, time.time(), mark=mark, href=href, label=label)
        self.notices.put(session.id, notice)

    def end(self, session: Session, why: str) -> None:
        """Stop it, unless a launch is just coming back to it; one that lasts does not keep it."""
        known = self._known[session.id]
        if self.sessions.stop_if_free(session, why=why):
            return
        known.refused = known.refused or time.monotonic()
        if time.monotonic() - known.refused > TURN:
            self.sessions.stop(session.id, why=why)


def is_over(found: int, first: int, limit: int) -> bool:
    """Whether it is over the limit, and over what was there first; 0 is no limit."""
    return bool(limit) and found > max(first, limit) + TOLERANCE * limit
