"""Warm sessions that are rows of a dict, and how tests click on them and wait."""

import functools
import threading
import time
from dataclasses import dataclass, field, replace

from launcher.errors import SessionFailed
from launcher.session import Limits, SessionSpec, new_session_id
from launcher.warm.demand import Kind
from tests.fakes import FakeRuntime
from tests.waiting import wait_for

I1, I2, I3 = Kind("i1"), Kind("i2"), Kind("i1-new")


@dataclass
class FakeWarm:
    """Keeps claims in a dict; what does not work is switched off by a test."""

    runtime: FakeRuntime
    why: str | None = None
    unsettled: str | None = None
    fails: bool = False
    attaches: bool = True
    claims: dict = field(default_factory=dict)
    others: tuple = ()
    old: set = field(default_factory=set)
    starting: int = 0
    begun: int = 0
    most_at_once: int = 0
    pause: float = 0.0
    first_two: threading.Barrier | None = None
    """Where those wait for each other."""
    guard: threading.Lock = field(default_factory=threading.Lock)

    def why_not(self):
        return self.why

    def start(self, spec):
        with self.guard:
            self.starting += 1
            self.begun += 1
            self.most_at_once = max(self.starting, self.most_at_once)
            together = self.first_two if self.begun <= 2 else None
        if together:
            together.wait(60)
        time.sleep(self.pause)
        with self.guard:
            self.starting -= 1
        if self.fails:
            raise SessionFailed("no such image")
        return self.runtime.start(spec)

    def settle(self, session_id):
        return "somebody has it already" if session_id in self.claims else self.unsettled

    def claim(self, spec):
        if spec.id in self.others:
            return False
        return self.claims.setdefault(spec.id, spec.owner) == spec.owner

    def is_claimed(self, session_id):
        return session_id in self.claims

    def attach(self, spec):
        if not self.attaches:
            raise SessionFailed("the folder did not appear")
        session = replace(self.runtime.rows[spec.id], owner=spec.owner, course=spec.course)
        self.runtime.rows[spec.id] = session
        return replace(session, answered=True)

    def is_attached(self, spec):
        return True

    def list(self):
        return [row for row in self.runtime.rows.values() if not row.owner]

    def outdated(self):
        return self.old

    def sweep(self, keep, *, unfinished):
        for row in self.list():
            if row.id not in keep():
                self.runtime.stop(row.id)


def spec_of_nobody(kind):
    session_id = new_session_id()
    return SessionSpec(session_id, "", "", kind.image, "", "t", None, Limits(1, 1, 1), kind.egress)


until = functools.partial(wait_for, every=0.01)


def take(pool, tmp_path, student="s1", kind=I1):
    """As a launch does; None where it must start a session itself."""
    session = pool.reserve(kind)
    if session is None:
        return None
    home = tmp_path / "homes" / student
    spec = SessionSpec(session.id, student, "c1", kind.image, "l", "t", home, Limits(1, 1, 1))
    given = pool.hand_over(spec)
    pool.put_back(session)
    return given and (spec, given)
