"""What students have in their folders while no session runs: shown, removed, kept how long."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from launcher.cleanup.cleanup import DAY, Removed
from launcher.errors import LaunchError
from launcher.homes.bin import Bin, Binned
from launcher.people.audit import Audit
from launcher.sessions.history import Remembered
from launcher.sessions.sessions import Sessions

log = logging.getLogger(__name__)

A_STUDENT = "a student"
"""Who removed their own work, for the audit: that stays when all else of the student is gone."""
EVERY = 6 * 3600.0
"""Seconds between two looks for folders that nobody came back to."""


class InUse(LaunchError):
    """The folder belongs to a session that runs or starts."""


@dataclass(frozen=True)
class Kept:
    """A student's folder for one course."""

    course: str
    last: float
    """Unix seconds: when it was last used, as far as anything tells."""
    until: float
    """Unix seconds: when it goes unless it is used before; 0 is never."""
    link: str
    """What brought the student there last; empty if that is not known any more."""


@dataclass(frozen=True)
class KeptWork:
    """Never touches a folder that a session has."""

    sessions: Sessions
    bin: Bin
    audit: Audit
    keep_days: float
    """Of folders that nobody uses; 0 is for ever."""
    bin_days: float

    def of(self, student: str) -> list[Kept]:
        """The student's folders that no session has, the newest first."""
        busy = {one.course for one in self.sessions.of(student) if one.running}
        rows = self.sessions.history.newest_of(student)
        courses = [one for one in self.sessions.homes.courses(student) if one not in busy]
        found = [self._kept(student, course, rows) for course in courses]
        return sorted(found, key=lambda one: -one.last)

    def remove(self, student: str, course: str, *, who: str, why: str) -> Binned:
        """Put the folder into the bin.

        :raises InUse: a session of it runs, or a launch is under way.
        :raises launcher.homes.bin.NotMoved: it stays where it is.
        """
        with self.sessions.turns.if_free(student, course) as mine:
            if not mine:
                raise InUse(
                    "A launch into this folder is under way.", hint="Try again in a minute."
                )
            return self._remove(student, course, who=who, why=why)

    def _remove(self, student: str, course: str, *, who: str, why: str) -> Binned:
        for session in self.sessions.of(student):
            if session.course == course and session.running:
                raise InUse("The session of this folder runs.", hint="Stop it under My sessions.")
            if session.course == course:
                self.sessions.stop(session.id, why=session.ended or "its server ended")
        moved = self.bin.put(student, course, why=why)
        detail = f"{why}; in the bin for {self.bin_days:.0f} days as {moved.id}"
        self.audit.note(who, "work removed", course, detail)
        return moved

    def remove_all(self, student: str, *, who: str) -> list[Binned]:
        """Put all that the student has into the bin, and forget their sessions.

        :raises InUse: a session runs, or a launch is under way; then nothing was removed.
        :raises launcher.homes.bin.NotMoved: that folder stays where it is, and those after it.
        """
        courses, turns = self.sessions.homes.courses(student), self.sessions.turns
        with contextlib.ExitStack() as taken:
            if not all(taken.enter_context(turns.if_free(student, one)) for one in courses):
                raise InUse(
                    "A launch into a folder of yours is under way.", hint="Try again in a minute."
                )
            # Looked at with the turns in hand: a session that starts now is seen, or waits.
            if any(one.running for one in self.sessions.of(student)):
                raise InUse("A session of yours runs.", hint="Stop it under My sessions.")
            why = "the student asked for it"
            gone = [self._remove(student, course, who=who, why=why) for course in courses]
            self.sessions.history.forget(student)
        return gone

    def run(self) -> list[Removed]:
        """Remove folders that nobody came back to, and empty the bin of what was there too long."""
        gone = []
        for one in self.bin.empty(older=self.bin_days * DAY):
            self.audit.note("launcher", "bin emptied", one.course, f"{one.why}; {one.id}")
            gone.append(Removed("bin", one.id))
        if not self.keep_days:
            return gone
        why = f"not used for {self.keep_days:.0f} days"
        for student in self.sessions.homes.students():
            for kept in self.of(student):
                if time.time() <= kept.until:
                    continue
                try:
                    self.remove(student, kept.course, who="launcher", why=why)
                    gone.append(Removed("home", f"{student}/{kept.course}"))
                except LaunchError as error:  # the others must not wait for this one
                    log.warning("a folder stays: %s", error)
        return gone

    def _kept(self, student: str, course: str, rows: Mapping[str, Remembered]) -> Kept:
        row = rows.get(course)
        last = self.sessions.homes.changed(student, course)
        if row:
            last = max(last, row.started, row.ended)
        until = last + self.keep_days * DAY if self.keep_days else 0.0
        return Kept(course, last, until, row.link if row else "")
