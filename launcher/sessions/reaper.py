"""Stops sessions that nobody uses, and those that are too old. Students' folders stay."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import datetime

from launcher.clock import Jumps
from launcher.gateway.client import RouteState
from launcher.rounds import Rounds
from launcher.session import Session
from launcher.sessions.adoption import adopt
from launcher.sessions.notices import ENDING, Notice, Notices
from launcher.sessions.sessions import Sessions

log = logging.getLogger(__name__)

WARNING = 300.0
"""Seconds before a stop in which the student is told; half of a short idle time."""


@dataclass(frozen=True)
class Use:
    """When a session was last used, and whether somebody is connected."""

    last: float
    """Unix seconds."""
    connected: bool


def reason_to_stop(
    session: Session, use: Use, *, idle: float, max_age: float, now: float
) -> str | None:
    """Why the session should stop now, or None. No I/O here."""
    if now - session.started > max_age:
        return f"it had run for {max_age / 3600:.1f} h, the longest allowed"
    if not use.connected and now - max(use.last, session.started) > idle:
        return f"it was not used for {idle / 60:.0f} min"
    return None


def nearly_unused(session: Session, use: Use, *, idle: float, now: float) -> bool:
    """Whether nobody has used it for so long that it stops, or its student is told. No I/O here."""
    unused = max(use.last, session.started) + idle
    return not use.connected and now > unused - min(WARNING, idle / 2)


def ending(session: Session, use: Use, *, idle: float, max_age: float, now: float) -> Notice | None:
    """What to tell the student of a session that stops soon. No I/O here."""
    oldest = session.started + max_age
    unused = max(use.last, session.started) + idle
    if unused < oldest and nearly_unused(session, use, idle=idle, now=now):
        text = (
            f"This session is not used and stops in {minutes(unused - now)}. "
            "Your saved files stay; what runs in notebooks ends."
        )
        return Notice(ENDING, text, now, mark=f"unused-{use.last:.0f}", keep=True)
    if now > oldest - WARNING:
        text = (
            f"This session has run for the longest time allowed and stops in "
            f"{minutes(oldest - now)}. Save your work; then open your link again."
        )
        return Notice(ENDING, text, now, mark="old")
    return None


def minutes(seconds: float) -> str:
    """For people, never too long."""
    whole = max(0, int(seconds // 60))
    return "less than a minute" if whole < 1 else f"{whole} minute{'s' if whole > 1 else ''}"


def use_of(session: Session, status: dict[str, object] | None, route: RouteState | None) -> Use:
    """What Jupyter and the gateway together know; a cell that prints nothing is not seen here."""
    last, connected = session.started, False
    if route:
        last, connected = max(last, route.last_activity), route.websockets > 0
    if status:
        last = max(last, _timestamp(status.get("last_activity")))
        connected = connected or _number(status.get("connections")) > 0
    return Use(last, connected)


def after_jump(session: Session, use: Use, *, jumped: float, now: float) -> tuple[Session, Use]:
    """Times from before the clock jumped, at `jumped`, say nothing: they begin again there."""
    if not jumped:
        return session, use

    def again(moment: float) -> float:
        return jumped if moment > now else max(moment, jumped)

    return replace(session, started=again(session.started)), replace(use, last=again(use.last))


def _timestamp(value: object) -> float:
    try:
        return datetime.fromisoformat(str(value).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


@dataclass
class Reaper:
    """Looks at every session each `every` seconds, in a thread of its own."""

    sessions: Sessions
    idle: float
    max_age: float
    when_full: float = float("inf")
    """The longest idle time while people wait for a place."""
    every: float = 15.0
    clock: Jumps = field(default_factory=lambda: Jumps("nobody counts as idle since then"))
    notices: Notices | None = None
    """Where students are told of a stop that is near."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _trouble: str | None = ""

    def start(self) -> None:
        threading.Thread(target=self._run, name="reaper", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def round(self) -> list[str]:
        """One look at all sessions; the ids of those it stopped."""
        self.look_at_walls()
        stopped = []
        running = adopt(self.sessions)
        self.sessions.measure(running)
        routes = self.sessions.gateway.routes()
        idle = min(self.idle, self.when_full) if self.sessions.queue.lacking() else self.idle
        now, jumped = time.time(), self.clock.last()
        for session in running:
            status = self.sessions.status(session)
            use = use_of(session, status, routes.get(session.id))
            session, use = after_jump(session, use, jumped=jumped, now=now)
            near = nearly_unused(session, use, idle=idle, now=now)
            # One that has just said nothing would take its time to say nothing again.
            may_compute = status is not None and status.get("kernels") != 0
            if near and may_compute and self.sessions.computes(session):
                use = replace(use, last=now)  # somebody waits for what it finds out
            why = reason_to_stop(session, use, idle=idle, max_age=self.max_age, now=now)
            if why and idle < self.idle and now - session.started <= self.max_age:
                why += ", and others waited for a place"
            if why and self.sessions.stop_if_free(session, why=why):
                stopped.append(session.id)
            elif self.notices:
                found = ending(session, use, idle=idle, max_age=self.max_age, now=time.time())
                if found:
                    self.notices.put(session.id, found)
                else:
                    self.notices.clear(session.id, ENDING)
        return stopped

    def look_at_walls(self) -> None:
        """Put back what keeps sessions in; whatever cannot be kept is logged once."""
        trouble = self.sessions.runtime.protect()
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                log.warning("isolation: %s", trouble)
            else:
                log.info("isolation: all walls that this runtime has are up")

    def _run(self) -> None:
        rounds = Rounds("stopping what is not used")
        while not self._stop.wait(self.every):
            rounds.run(self.round)
