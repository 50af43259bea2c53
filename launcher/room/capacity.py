"""How many sessions fit: memory that is set aside for each, and the most that anybody may have.

Starting sessions count like running ones, so what is promised is never more than there is.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from launcher.room.measured import Measured, environment_of_image
from launcher.session import Session

MB, GB = 1024**2, 1024**3


@dataclass(frozen=True)
class Plan:
    """What the settings allow; 0 is no limit, but for memory."""

    memory: int
    """Bytes for all sessions together."""
    reserve: int
    """Bytes that are set aside for a session while its environment has not been measured."""
    largest: int
    """Bytes that one session may use: nothing larger is ever set aside."""
    sessions: int = 0
    per_student: int = 0
    per_course: int = 0


@dataclass(frozen=True)
class Full:
    """Why a session may not start now."""

    why: str
    """A sentence for the student."""
    own: bool = False
    """True for a limit of this student or course alone, which holds nobody else up."""


@dataclass(frozen=True)
class Held:
    """A session that runs, or for which room is kept while it starts."""

    session: str
    student: str
    """Empty for one that nobody has yet."""
    course: str
    image: str
    memory: int
    """Bytes that were set aside."""
    starting: bool = True
    """The runtime has not shown it yet."""


@dataclass
class Capacity:
    """Keeps the account; safe to use from any thread."""

    plan: Plan
    measured: Measured
    freed: Callable[[], None] = lambda: None
    """Called when room has become free."""
    _held: dict[str, Held] = field(default_factory=dict)
    _looks: list[set[str]] = field(default_factory=list)
    """For each look at the runtime that goes on, the sessions that came or went meanwhile."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def hold(
        self, session: str, student: str, course: str, image: str, *, instead_of: str = ""
    ) -> Full | None:
        """Keep room for the session, or say why not.

        The room of the one that it comes `instead_of` counts as free; it is released when that has
        stopped.
        """
        with self._guard:
            same = (session, instead_of)
            others = {key: one for key, one in self._held.items() if key not in same}
            memory = self.reserve(image)
            full = self._why_full(others.values(), student, course, memory)
            if full is None:
                self._held[session] = Held(session, student, course, image, memory)
                self._note(session)
            return full

    def started(self, session: str) -> None:
        """The runtime shows the session from now on, until it has ended."""
        with self._guard:
            if session in self._held:
                self._held[session] = replace(self._held[session], starting=False)

    def move(self, session: str, to: str) -> None:
        """The room that was kept under one id is that of another session, which runs."""
        with self._guard:
            held = self._held.pop(session, None)
            if held:
                self._held[to] = replace(held, session=to, starting=False)
            self._note(session)
            self._note(to)

    def release(self, session: str) -> None:
        """The session has ended or did not start; one that is not known is fine."""
        with self._guard:
            gone = self._held.pop(session, None)
            self._note(session)
        if gone:
            self.freed()

    def _note(self, session: str) -> None:
        """It came or went: no look that goes on knows better. The guard must be held."""
        for meanwhile in self._looks:
            meanwhile.add(session)

    def agree(self, look: Callable[[], list[Session]]) -> list[Session]:
        """Make the account agree with what `look` sees in the runtime; what it saw.

        What ended behind our back gives its room back, what runs unknown to us takes its own,
        and what came or went while `look` looked is left as it is.
        """
        meanwhile: set[str] = set()
        with self._guard:
            before = {key for key, one in self._held.items() if not one.starting}
            self._looks.append(meanwhile)
        try:
            seen = look()
            running = {session.id: session for session in seen if session.running}
            with self._guard:
                gone = before - {session.id for session in seen} - meanwhile
                for key in gone:
                    self._held.pop(key, None)
                for key, session in running.items():
                    if key not in self._held and key not in meanwhile:
                        self._held[key] = self._of(session)
        finally:
            with self._guard:
                self._looks = [one for one in self._looks if one is not meanwhile]
        if gone:
            self.freed()
        return seen

    def _of(self, session: Session) -> Held:
        """The room of a session that runs, and that the account did not know."""
        memory = self.reserve(session.image)
        return Held(
            session.id, session.owner, session.course, session.image, memory, starting=False
        )

    def fits(self, image: str) -> int:
        """How many more sessions of the image have room now, whoever they are for."""
        with self._guard:
            memory = self.reserve(image)
            free = (self.plan.memory - self._used(self._held.values())) // memory
            if self.plan.sessions:
                free = min(free, self.plan.sessions - len(self._held))
            return max(0, free) if self._held else max(1, free)

    def most(self, image: str) -> int:
        """How many sessions of the image fit when nothing else runs."""
        most = self.plan.memory // self.reserve(image)
        limits = [limit for limit in (self.plan.sessions, self.plan.per_course) if limit]
        return max(1, min([most, *limits]))

    def reserve(self, image: str) -> int:
        """Bytes that are set aside for a session of the image."""
        known = self.measured.usual(environment_of_image(image))
        return max(1, min(known or self.plan.reserve, self.plan.largest))

    def held(self) -> list[Held]:
        with self._guard:
            return list(self._held.values())

    def students(self, image: str) -> int:
        """How many students have a session of the image, or are about to."""
        return sum(one.image == image and bool(one.student) for one in self.held())

    def used(self) -> int:
        """Bytes that are set aside now, or in use where that is more."""
        with self._guard:
            return self._used(self._held.values())

    def _used(self, held: Iterable[Held]) -> int:
        now = self.measured.now
        return sum(max(one.memory, now.get(one.session, 0)) for one in held)

    def _why_full(
        self, others: Iterable[Held], student: str, course: str, memory: int
    ) -> Full | None:
        every, plan = list(others), self.plan
        if plan.per_student and student:
            mine = [one.student for one in every].count(student)
            if mine >= plan.per_student:
                many = "1 session" if mine == 1 else f"{mine} sessions"
                return Full(
                    f"You have {many}, as many as one person may have here. "
                    "Stop one under My sessions, and this one starts.",
                    own=True,
                )
        taken = [one.course for one in every].count(course) if plan.per_course and course else 0
        if taken and taken >= plan.per_course:
            return Full("All places of this course are taken.", own=True)
        if plan.sessions and len(every) >= plan.sessions:
            return Full("All places are taken.")
        if every and self._used(every) + memory > plan.memory:
            return Full("All memory for sessions is taken.")
        return None


def plan_memory(setting: int | None, system: int, *, total: Callable[[], int] | None = None) -> int:
    """Bytes for sessions: what the settings say, or this machine's less what the system needs.

    A machine too small for that gives half of its memory.
    """
    if setting is not None:
        return setting
    whole = (total or machine_memory)()
    return max(whole - system, whole // 2)


def machine_memory() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


UNLIMITED = Plan(memory=2**60, reserve=MB, largest=2**60)
"""For tests and tools that are not about room."""


def unlimited() -> Capacity:
    return Capacity(UNLIMITED, Measured(None))
