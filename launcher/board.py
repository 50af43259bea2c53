"""Who of a class is in, waits or failed, and why: for the teacher, without names or files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from envs.errors import EnvError
from launcher.content.delivered import all_delivered
from launcher.environment import Environments
from launcher.errors import NoRuntime
from launcher.gateway.client import RouteState
from launcher.launches import Launch, Launches
from launcher.people.identity import is_guest
from launcher.session import Session
from launcher.sessions.history import BY_STUDENT, Remembered
from launcher.sessions.sessions import Sessions
from link_generator.errors import BadLink
from link_generator.link import parse_link

IN, OPENING, WAITING, FAILED, STOPPED = "in", "opening", "waiting", "failed", "stopped"
URGENT = (FAILED, WAITING, OPENING, IN, STOPPED)
"""Who needs the teacher comes first."""
SHOWN = 2 * 3600.0
"""Seconds after its end in which a session is still on the board."""


@dataclass(frozen=True)
class Row:
    """One student of the class."""

    code: str
    """What the student reads under My sessions and on error pages; it says nothing of who it is."""
    state: str
    """One of `URGENT`."""
    said: str
    """What the student is told, or what happens now."""
    since: float
    """Unix seconds."""
    app: str = ""
    environment: str = ""
    """The image's name."""
    commit: str = ""
    """Of the content, as it was pulled last."""
    used: float = 0.0
    """Unix seconds of the last use; 0 where it is not known."""
    memory: int = 0
    """Bytes that the session uses now."""


@dataclass(frozen=True)
class Board:
    """Looks at what runs, what is under way and what has just ended; it keeps nothing."""

    sessions: Sessions
    launches: Launches
    environments: Environments
    code: Callable[[str], str]
    """A student's code, see `identity.code_of`."""
    words: Callable[[Launch], str]
    """What a launch that failed tells its student."""
    now: Callable[[], float] = time.time

    def rows(self, course: str) -> list[Row]:
        """Everybody of the course, who needs help first. Programs and rehearsals are nobody."""
        found = {
            one.owner: stopped_row(one, self.code(one.owner))
            for one in self.sessions.history.ended_in(course, self.now() - SHOWN)
        }
        routes = self.sessions.gateway.routes()
        began: dict[str, float] = {}
        for session in self.sessions.runtime.list():
            if session.course == course and session.running:
                found[session.owner] = self._running(session, routes)
                began[session.owner] = session.started
        for launch in self._under_way(course):
            if launch.error is None or launch.ended > began.get(launch.student, 0.0):
                found[launch.student] = self._launch_row(launch)
        rows = [row for student, row in found.items() if not is_guest(student)]
        return sorted(rows, key=lambda row: (URGENT.index(row.state), row.code))

    def courses(self) -> dict[str, int]:
        """The courses that somebody is in now or waits for, and how many."""
        try:
            running = [one for one in self.sessions.runtime.list() if one.running]
        except NoRuntime:  # classes can be planned meanwhile
            running = []
        people = {(one.course, one.owner) for one in running}
        people |= {(self._course(one), one.student) for one in self.launches.all() if not one.ended}
        counted = Counter(course for course, student in people if not is_guest(student))
        return {course: counted[course] for course in sorted(counted) if course}

    def _under_way(self, course: str) -> Iterable[Launch]:
        """The students' newest launches of the course that have not opened."""
        newest: dict[str, Launch] = {}
        for launch in sorted(self.launches.all(), key=lambda one: one.started):
            if self._course(launch) == course:
                newest[launch.student] = launch
        return [one for one in newest.values() if not one.opened]

    def _course(self, launch: Launch) -> str:
        try:
            return self.environments.course(launch.link)
        except EnvError:  # no such environment: it is no course's
            return ""

    def _running(self, session: Session, routes: Mapping[str, RouteState]) -> Row:
        route = routes.get(session.id)
        delivered = all_delivered(self.sessions.spec(session))
        connected = bool(route and route.websockets)
        return Row(
            self.code(session.owner),
            IN,
            "A notebook is open" if connected else "No notebook is open now",
            session.started,
            app=app_of(session.link),
            environment=session.image,
            commit=delivered[0].newest[:7] if delivered else "",
            used=self.now() if connected else route.last_activity if route else 0.0,
            memory=self.sessions.queue.capacity.measured.now.get(session.id, 0),
        )

    def _launch_row(self, launch: Launch) -> Row:
        code, opens = self.code(launch.student), launch.link.opens
        if launch.error:
            return Row(code, FAILED, self.words(launch), launch.ended, opens)
        if launch.standing:
            place = launch.standing
            said = f"Number {place.number} of {place.of} in line"
            return Row(code, WAITING, place.why or said, launch.started, opens)
        steps = [one.progress.message for one in launch.events() if not one.progress.log]
        return Row(code, OPENING, steps[-1] if steps else "Opening", launch.started, opens)


def stopped_row(one: Remembered, code: str) -> Row:
    why = "the student stopped it" if one.why == BY_STUDENT else one.why or "its server ended"
    return Row(code, STOPPED, why, one.ended, app_of(one.link), one.image)


def app_of(link: str) -> str:
    """What a session's link opened it in."""
    try:
        return parse_link(link)[0].opens
    except BadLink:
        return ""
