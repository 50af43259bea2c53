"""Who comes when no room is left waits in line, first come first served. No threads here.

Each place is one student and course. Room that becomes free is kept for the first in line; a
student whose page is gone has `take_within` seconds to come back for it, then the next one gets
it, and the place in line itself lasts for `grace` seconds. A limit of one student or course holds
nobody else up; a lack of memory holds up everybody behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from launcher.errors import NoRoom
from launcher.room.capacity import Capacity, Full, unlimited
from launcher.room.line import Kept, Key, Line
from launcher.room.pace import Pace, about
from launcher.session import new_session_id

PRESENT = 10.0
"""Seconds since a page asked, within which somebody is there: pages ask every 2 or 3."""


@dataclass(frozen=True)
class Standing:
    """What somebody in line is told."""

    number: int
    """1 is the next one."""
    of: int
    seconds: float | None
    """A measured guess; None while nothing was measured."""
    why: str = ""
    """A reason of their own, where it is not that others are before them."""

    @property
    def place(self) -> str:
        return "You wait for a place" if self.why else f"You are number {self.number} of {self.of}"

    @property
    def sentence(self) -> str:
        """What to expect, without a number where none was measured."""
        if self.why:
            return self.why
        if self.seconds is None:
            return "All places are taken. You get one as soon as others finish."
        return f"About {about(self.seconds)}; places become free as others finish."


@dataclass
class Place:
    """A place in line with what is only known while the launcher runs; times are monotonic."""

    kept: Kept
    seen: float
    full: Full
    instead_of: str = ""
    offered: str = ""
    """The id of the session that room is kept for."""
    offered_at: float = 0.0
    passed: bool = False
    """True from an offer that nobody took until the student is back."""
    called: bool = False
    """True when the launch that has the place goes on."""

    @property
    def is_there(self) -> bool:
        """True when somebody has asked since the offer, or just before."""
        return self.seen >= self.offered_at - PRESENT


@dataclass
class Queue:
    """The line of one launcher; safe to use from any thread."""

    capacity: Capacity
    line: Line
    take_within: float
    grace: float
    pace: Pace = field(default_factory=Pace)
    waited: Callable[[float], None] = lambda seconds: None
    """Told of everybody who got a place, with the seconds in line."""
    now: Callable[[], float] = time.monotonic
    _places: dict[Key, Place] = field(default_factory=dict)
    _starting: set[Key] = field(default_factory=set)
    """Those whose room is used and whose session has not begun: a restart finds their place."""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        for kept in self.line.all():
            key = (kept.student, kept.course)
            long_ago = self.now() - PRESENT - 1  # nobody is known to be there yet
            self._places[key] = Place(kept, long_ago, Full("All places are taken."))
        self.capacity.freed = self._wake

    def admit(self, student: str, course: str, image: str, *, instead_of: str = "") -> str:
        """The id of a session for which room is kept now; whoever starts it must `release` it, and
        say `done` when it has started or cannot.

        :raises NoRoom: there is none; the student has a place in line.
        """
        key = (student, course)
        with self._changed:
            self._turn()
            place = self._places.get(key)
            if place and place.offered:
                del self._places[key]
                self._starting.add(key)
                self._changed.notify_all()
                self.waited(max(0.0, time.time() - place.kept.joined))
                return place.offered
            if place is None:
                session, full = new_session_id(), self._first_in_line()
                if full is None or instead_of:
                    full = self.capacity.hold(
                        session, student, course, image, instead_of=instead_of
                    )
                if full is None:
                    return session
                kept = self.line.join(student, course, image)
                place = self._places[key] = Place(kept, self.now(), full)
            place.seen, place.passed, place.instead_of = self.now(), False, instead_of
            self._changed.notify_all()
        raise NoRoom(student, course)

    def done(self, student: str, course: str) -> None:
        """The session has started, or cannot: nothing is left of a place in line."""
        key = (student, course)
        with self._changed:
            if key in self._starting:
                self._starting.remove(key)
                if key not in self._places:  # else they have joined again
                    self.line.leave(*key)

    def seen(self, student: str, course: str) -> None:
        """The student's page asks: somebody is there."""
        with self._changed:
            place = self._places.get((student, course))
            if place:
                back = place.passed or bool(place.offered)
                place.seen, place.passed = self.now(), False
                if back:
                    self._changed.notify_all()

    def leave(self, student: str, course: str) -> bool:
        """Give up the place, and the room that is kept for it; False where there is none."""
        with self._changed:
            return self._remove((student, course), give_back=True)

    def standing(self, student: str, course: str) -> Standing | None:
        """Where in line the student is; None without a place."""
        with self._changed:
            place = self._places.get((student, course))
            if place is None:
                return None
            number = list(self._places).index((student, course)) + 1
            of, full = len(self._places), place.full
        if full.own:
            return Standing(number, of, None, full.why)
        running = sum(not one.starting for one in self.capacity.held())
        return Standing(number, of, self.pace.seconds_until(number, running))

    def length(self) -> int:
        return len(self._places)

    def lacking(self) -> int:
        """How many wait for room, and not for a limit of their own or for their page.

        This is asked all the time, also where nobody clicks or waits any more: who is gone since
        then is forgotten here, and gives back the room that was kept.
        """
        with self._changed:
            self._turn()
            waiting = [one for one in self._places.values() if not one.offered and not one.passed]
            return sum(not one.full.own for one in waiting)

    def called(self, waiting: Collection[Key], timeout: float) -> set[Key]:
        """Whose turn it is of those who wait and are there; each is called once.

        Returns when there is somebody, or something changed, or after `timeout` seconds.
        """
        with self._changed:
            found = self._call(waiting)
            if not found:
                self._changed.wait(timeout)
                found = self._call(waiting)
            return found

    def _call(self, waiting: Collection[Key]) -> set[Key]:
        self._turn()
        found = set()
        for key in waiting:
            place = self._places.get(key)
            if place and place.offered and place.is_there and not place.called:
                place.called = True  # from now on the room is the caller's to use or to give back
                found.add(key)
        return found

    def _turn(self) -> None:
        """Take back what was not taken, forget who is gone, keep free room for the first."""
        now = self.now()
        for key, place in list(self._places.items()):
            if place.offered and not place.is_there:
                if now - place.offered_at > self.take_within:
                    self.capacity.release(place.offered)
                    place.offered, place.passed = "", True
            elif not place.offered and now - place.seen > self.grace:
                self._remove(key)
        for place in self._places.values():
            if place.offered or place.passed:
                continue
            session, kept = new_session_id(), place.kept
            full = self.capacity.hold(
                session, kept.student, kept.course, kept.image, instead_of=place.instead_of
            )
            if full is None:
                place.offered, place.offered_at = session, now
                continue
            place.full = full
            if not full.own:
                break

    def _first_in_line(self) -> Full | None:
        """Why somebody new may not go before those in line, or None."""
        waiting = [one for one in self._places.values() if not one.offered and not one.passed]
        return next((one.full for one in waiting if not one.full.own), None)

    def _remove(self, key: Key, *, give_back: bool = False) -> bool:
        place = self._places.pop(key, None)
        if place is None:
            return False
        self.line.leave(*key)
        if give_back and place.offered:
            self.capacity.release(place.offered)
        self._changed.notify_all()
        return True

    def _wake(self) -> None:
        """Room has become free; `_turn` itself may have freed it, with the lock held."""
        with self._changed:
            self._changed.notify_all()


def unlimited_queue() -> Queue:
    """Where nobody ever waits."""
    return Queue(unlimited(), Line(None), 0, 0)
