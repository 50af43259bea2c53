"""Warm sessions: started before anybody clicks, handed over in milliseconds.

How many is a rule, see `demand.py`; `Pool` follows it in the background, and gives each session to
one student.
"""

from __future__ import annotations

import functools
import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from launcher.errors import LaunchError
from launcher.room.queue import Queue, unlimited_queue
from launcher.rounds import Rounds
from launcher.runtimes.base import Runtime, Warm
from launcher.session import Session, SessionSpec
from launcher.warm.demand import Counts, Kind, Taken, demand, missing, surplus, wanted

log = logging.getLogger(__name__)

LONGEST_PAUSE = 300.0
"""Seconds between two tries to start a session of a kind that always fails."""
SURPLUS = 60.0
"""Seconds between two that are given up because fewer are wanted than there are."""
TIDY = 30.0
"""Seconds between two looks for what others left."""
CALM = 3.0
"""Seconds without a click after which the next is started: those who click now need the CPU."""
END = 15.0
"""Seconds that a launcher which ends gives its warm sessions. Its gateway ends after them, and
systemd kills what takes 30."""
IMPATIENCE = 10.0
"""Seconds after which it is started though clicks go on."""


@dataclass
class Trouble:
    """Why sessions of a kind do not start in advance, and when to try again."""

    why: str
    failures: int
    again: float
    """Monotonic seconds."""


@dataclass
class Pool:
    """The warm sessions of this launcher."""

    runtime: Runtime
    warm: Warm
    new_spec: Callable[[Kind], SessionSpec]
    """A spec of nobody, with an id of its own."""
    answers: Callable[[Session], bool]
    """True when the session's server serves requests."""
    rouse: Callable[[Session], None]
    """Lets a server that answers do what its first visitor would wait for."""
    wishes: Callable[[], Counts | None]
    """How many are wanted now, beside what the last clicks ask for; None: that is not known yet."""
    queue: Queue = field(default_factory=unlimited_queue)
    """Keeps room for each. Who waits in line comes before all of them."""
    most: int = 0
    at_once: int = 2
    window: float = 600.0
    """Seconds of clicks that count as demand; 0 is none."""
    start_timeout: float = 60.0
    every: float = 1.0
    problem: str = ""
    """Why there is no pool, for people."""
    _ready: dict[Kind, list[Session]] = field(default_factory=dict)
    _mine: dict[str, Kind] = field(default_factory=dict)
    """The kind of every session that is starting, ready, ending, or being handed over."""
    _given: set[str] = field(default_factory=set)
    """Those of them that are a student's now."""
    _ending: set[str] = field(default_factory=set)
    """Those that nobody gets any more, and that still run."""
    _taken: list[Taken] = field(default_factory=list)
    _trouble: dict[Kind, Trouble] = field(default_factory=dict)
    _surplus_since: float = 0.0
    _tidied: float = -math.inf
    _started: float = -math.inf
    """Monotonic seconds, as all of these."""
    _clicked: float = -math.inf
    _on: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _wake: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)
    _workers: ThreadPoolExecutor = field(init=False)
    _thread: threading.Thread | None = None
    _rounds: Rounds = field(default_factory=lambda: Rounds("keeping sessions warm"))
    _stops: Rounds = field(default_factory=lambda: Rounds("stopping a warm session"))

    def __post_init__(self) -> None:
        # One more than starts at a time, for those that are stopped meanwhile.
        self._workers = ThreadPoolExecutor(self.at_once + 1, thread_name_prefix="warm")

    def start(self) -> None:
        """Begin to keep sessions warm; what an earlier launcher left is taken over."""
        if self.most > 0:
            self._look_whether_possible()
        # Where the engine is starting, too, the next round tries again.
        self._rounds.run(functools.partial(self._tidy, unfinished=0))
        self._thread = threading.Thread(target=self._run, name="pool", daemon=True)
        self._thread.start()

    def _look_whether_possible(self) -> None:
        """Where sessions cannot be kept warm here, say so, and do not try until they can."""
        before, self.problem = self.problem, self.warm.why_not() or ""
        self._on = not self.problem
        if self.problem and self.problem != before:
            log.warning("no warm sessions: %s", self.problem)
        if before and not self.problem:
            log.info("sessions can be kept warm again")

    def stop(self) -> None:
        """Stop the sessions that nobody has, within `END` seconds; those of students go on."""
        self._ended.set()
        self._wake.set()
        ending = threading.Thread(target=self._end, name="pool-end", daemon=True)
        ending.start()
        ending.join(END)
        if ending.is_alive():
            log.warning("warm sessions did not end in time; the next start ends them")

    def _end(self) -> None:
        self._end_ready()  # at once: what starts may wait for the engine
        if self._thread:
            self._thread.join()
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._end_ready()
        # Those that could not be stopped when it was their time: the engine was away.
        self._rounds.run(lambda: self.warm.sweep(tuple, unfinished=60.0))

    def _end_ready(self) -> None:
        """Stop them side by side: each takes the engine a second, and an administrator waits."""
        with self._guard:
            self._take([session.id for sessions in self._ready.values() for session in sessions])
            ending = list(self._ending)
        threads = [
            threading.Thread(target=self._discard, args=(one,), daemon=True) for one in ending
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def reserve(self, kind: Kind) -> Session | None:
        """A ready session for a launch that is about to ask for room; None: there is none.

        Its own room is free again, for that launch or for who comes before it. `put_back` must
        follow, whatever becomes of it.
        """
        if not self._on:
            return None
        with self._guard:
            self._clicked = time.monotonic()
            self._taken.append(Taken(kind, self._clicked))
            ready = self._ready.get(kind)
            session = ready.pop(0) if ready else None
        if session:
            self.queue.capacity.release(session.id)
        else:
            self.make_room(kind.image)
        return session

    def make_room(self, image: str) -> None:
        """A session of the image is about to start: one that is only ready may have to go."""
        if not self.queue.capacity.fits(image):
            for session in self._take_ready(1):
                self._discard(session.id)

    def hand_over(self, spec: SessionSpec) -> Session | None:
        """The reserved session of this id, claimed for its student, their home attached.

        None: it does not work; start another one.
        """
        try:
            if not self.warm.claim(spec):
                with self._guard:
                    self._given.add(spec.id)  # by another process, and not ours to stop
                return None
            self.runtime.prepare_home(spec)
            session = self.warm.attach(spec)
        except (LaunchError, OSError) as error:
            log.warning("a warm session cannot be given out: %s", error)
            return None
        with self._guard:
            self._given.add(session.id)
        return session

    def put_back(self, session: Session) -> None:
        """The launch has ended or has the session; one that it did not take waits again.

        It does so only where there is still room for it, and nobody has tried to take it.
        """
        with self._guard:
            if session.id in self._given:
                self._given.discard(session.id)
                self._mine.pop(session.id, None)
                return
        if self.warm.is_claimed(session.id) or self.queue.capacity.hold(
            session.id, "", "", session.image
        ):
            self._later(self._discard, session.id)
            return
        self.queue.capacity.started(session.id)
        with self._guard:
            self._ready.setdefault(kind_of(session), []).insert(0, session)

    def give_back(self, count: int) -> int:
        """Stop up to `count` ready sessions for others, who have their room once they are gone.

        How many it was.
        """
        going = self._take_ready(count)
        for session in going:
            self._later(self._discard, session.id)
        return len(going)

    def _take_ready(self, count: int) -> list[Session]:
        """Up to `count` ready sessions that nobody gets any more: they are about to be stopped."""
        with self._guard:
            going = [one for ready in self._ready.values() for one in ready][: max(0, count)]
            self._take([one.id for one in going])
        return going

    def _take(self, session_ids: Collection[str]) -> list[str]:
        """Those of them that were ready, and are about to be stopped. The guard must be held."""
        found = []
        for ready in self._ready.values():
            found += [one.id for one in ready if one.id in session_ids]
            ready[:] = [one for one in ready if one.id not in session_ids]
        self._ending.update(found)
        return found

    def counts(self) -> dict[Kind, int]:
        """How many are ready."""
        with self._guard:
            return {kind: len(ready) for kind, ready in self._ready.items() if ready}

    def has_ready(self, image: str) -> bool:
        """True where a session on the image waits for a student."""
        with self._guard:
            return any(ready for kind, ready in self._ready.items() if kind.image == image)

    def starting(self) -> int:
        """How many are being started."""
        with self._guard:
            return len(self._mine) - sum(map(len, self._ready.values()))

    def round(self) -> None:
        """One look at what there is and what is wanted."""
        now = time.monotonic()
        if now - self._tidied > TIDY:
            if self.problem:
                self._look_whether_possible()
            self._tidy()
        if not self._on:
            self.give_back(len(self._mine))  # nobody gets them, and students need their room
            return
        if waiting := self.queue.lacking():
            self.give_back(waiting - len(self._ending))
            return
        wish = self._wish()
        if wish is None:
            return  # what an earlier launcher left may be wanted
        with self._guard:
            have: dict[Kind, int] = {}
            for kind in self._mine.values():
                have[kind] = have.get(kind, 0) + 1
            starting = len(self._mine) - sum(map(len, self._ready.values()))
            held = [kind for kind, one in self._trouble.items() if one.again > now]
        self._give_up(surplus(wish, have), wish)
        possible = {kind: count for kind, count in wish.items() if kind not in held}
        free = self.at_once - starting
        storm = now - self._clicked < CALM and now - self._started < IMPATIENCE
        for kind in missing(possible, have, room=0 if storm else free):
            if not self._begin(kind):
                return  # what is free is for students
            self._started = now

    def _wish(self) -> dict[Kind, int] | None:
        wishes = self.wishes()
        if wishes is None:
            return None
        now = time.monotonic()
        with self._guard:
            self._taken = [one for one in self._taken if now - one.at <= self.window]
            recent = demand(self._taken, now=now, window=self.window) if self.window else {}
        return wanted(wishes, recent, most=self.most)

    def _begin(self, kind: Kind) -> bool:
        """Start one in the background; False when there is no room."""
        spec = self.new_spec(kind)
        if self.queue.capacity.hold(spec.id, "", "", kind.image):
            return False
        with self._guard:
            self._mine[spec.id] = kind
        self._later(self._make, spec)
        return True

    def _make(self, spec: SessionSpec) -> None:
        try:
            session = self.warm.start(spec)
            self.queue.capacity.started(spec.id)
            self._settle(session)
        except Exception as error:  # the outermost edge of this thread: the pool must go on
            if not self._ended.is_set():
                self._note(Kind(spec.image, spec.egress), error)
            self._discard(spec.id)
        self._wake.set()

    def _settle(self, session: Session) -> None:
        """Wait until its server answers; it is ready then, or given up."""
        deadline = time.monotonic() + self.start_timeout
        look = time.monotonic() + 1.0
        while not self.answers(session):
            if time.monotonic() > deadline or self._ended.wait(0.1):
                raise LaunchError("Its server did not answer.")
            if time.monotonic() > look:
                look = time.monotonic() + 1.0
                if session.id not in {one.id for one in self.warm.list() if one.running}:
                    said = self.runtime.logs(session.id, lines=5).strip()
                    raise LaunchError(f"Its server ended. {said}"[:500])
        self.rouse(session)
        why = self.warm.settle(session.id)
        if why:
            self._look_whether_possible()  # while its container is there to be looked into
            raise LaunchError(f"Sessions on {session.image} start when somebody clicks: {why}.")
        with self._guard:
            self._trouble.pop(kind_of(session), None)
            self._ready.setdefault(kind_of(session), []).append(session)

    def _note(self, kind: Kind, error: Exception) -> None:
        expected = isinstance(error, LaunchError | OSError)
        with self._guard:
            before = self._trouble.get(kind)
            failures = before.failures + 1 if before else 1
            pause = min(5.0 * 2**failures, LONGEST_PAUSE)
            self._trouble[kind] = Trouble(str(error), failures, time.monotonic() + pause)
        if before is None or before.why != str(error):
            log.warning("a session was not started in advance: %s", error, exc_info=not expected)

    def _give_up(self, more: Counts, wish: Counts) -> None:
        """Stop what is not wanted: at once of a kind that nobody asks for, else slowly."""
        now = time.monotonic()
        if not more:
            self._surplus_since = now
            return
        slow = now - self._surplus_since > SURPLUS
        for kind, count in more.items():
            replaced = kind not in wish
            if not (replaced or slow):
                continue
            with self._guard:
                first = [one.id for one in self._ready.get(kind, [])]
                going = self._take(first[: count if replaced else 1])
            for session_id in going:
                self._later(self._discard, session_id)
            self._surplus_since = now

    def _discard(self, session_id: str) -> None:
        """Stop a session of nobody; its room is free when it is gone."""
        # One that cannot be stopped is found by the next tidying. Its room is free all the same:
        # it would be kept for ever.
        self._stops.run(lambda: self.runtime.stop(session_id))
        self.queue.capacity.release(session_id)
        with self._guard:
            self._mine.pop(session_id, None)
            self._ending.discard(session_id)

    def _tidy(self, *, unfinished: float = 60.0) -> None:
        """Take over warm sessions of a launcher that was killed, let go of those that died.

        So do those whose image was built again under its name.
        """
        self._tidied = time.monotonic()
        there = {one.id: one for one in self.warm.list()}
        outdated = self.warm.outdated()
        good = {key for key, one in there.items() if one.running and key not in outdated}
        with self._guard:
            ready = {one.id for every in self._ready.values() for one in every}
            going = self._take(ready - good)
        for session_id in going:
            self._later(self._discard, session_id)
        for session in there.values() if self._on else ():
            if session.id in outdated:
                continue
            with self._guard:
                if session.id in self._mine or not session.running:
                    continue
                if self.warm.is_claimed(session.id):  # since the look: it is a student's now
                    continue
                self._mine[session.id] = kind_of(session)
            self._later(self._take_over, session)
        self.warm.sweep(self._others, unfinished=unfinished)

    def _take_over(self, session: Session) -> None:
        try:
            self._settle(session)
        except Exception as error:  # the outermost edge of a worker
            if self.warm.is_claimed(session.id):  # not ours to stop
                with self._guard:
                    self._mine.pop(session.id, None)
                return
            log.warning("a warm session was not taken over: %s", error)
            self._discard(session.id)

    def _others(self) -> Sequence[str]:
        with self._guard:
            return list(self._mine)

    def _later(self, work: Callable[..., None], argument: object) -> None:
        try:
            self._workers.submit(work, argument)
        except RuntimeError:  # it is ending; what is left is found at the next start
            log.info("the pool ends")

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.clear()
            self._rounds.run(self.round)
            self._wake.wait(self.every)


def kind_of(session: Session) -> Kind:
    return Kind(session.image, session.egress)
