"""The launches under way: each runs in a thread of its own and goes on without the tab."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from launcher import logs
from launcher.launch import Opened
from launcher.progress import Phase, Progress
from link_generator.link import Link

log = logging.getLogger(__name__)

KEPT = 600.0
"""Seconds that an ended launch is still known to its waiting page."""


@dataclass(frozen=True)
class Event:
    """A progress event with its place in the launch."""

    cursor: int
    at: float
    """Unix seconds."""
    progress: Progress


@dataclass
class Launch:
    """One launch of a link by a student; safe to read from any thread."""

    link: Link
    student: str
    request_id: str
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    started: float = field(default_factory=time.time)
    ended: float = 0.0
    opened: Opened | None = None
    error: Exception | None = None
    told: bool = False
    """True once somebody has seen how it ended, so that the next click starts afresh."""
    _events: list[Event] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def phase(self) -> Phase:
        if self.opened:
            return Phase.READY
        if self.error:
            return Phase.FAILED
        events = self.events()
        return events[-1].progress.phase if events else Phase.LINK

    def events(self, since: int = 0) -> list[Event]:
        """The events after the cursor `since`, oldest first; 0 is all of them."""
        with self._changed:
            return self._events[max(since, 0) :]

    def tell(self, progress: Progress) -> None:
        with self._changed:
            self._events.append(Event(len(self._events) + 1, time.time(), progress))
            self._changed.notify_all()

    def wait_for_news(self, since: int, timeout: float) -> bool:
        """True when there are events after the cursor, or the launch has ended, in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: bool(self.ended) or len(self._events) > since, timeout
            )

    def wait(self, timeout: float) -> bool:
        """True when the launch has ended within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self.ended), timeout)

    def end(self, *, opened: Opened | None = None, error: Exception | None = None) -> None:
        with self._changed:
            self.opened, self.error, self.ended = opened, error, time.time()
            self._changed.notify_all()


@dataclass
class Launches:
    """Starts launches; the same student and link share the one that is under way."""

    run: Callable[[Link, str, Callable[[Progress], None]], Opened]
    expected: tuple[type[Exception], ...]
    """Errors that a page explains; any other one is logged with its traceback."""
    _known: dict[str, Launch] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def ensure(self, link: Link, student: str, request_id: str, *, retry: bool = False) -> Launch:
        """The launch of this link by this student that nobody has seen the end of, or a new one.

        With `retry` a failed one is never given again.
        """
        with self._guard:
            self._forget_old()
            for launch in self._known.values():
                same = (launch.link, launch.student) == (link, student)
                if same and not launch.told and not (retry and launch.error):
                    return launch
            launch = Launch(link, student, request_id)
            self._known[launch.id] = launch
        threading.Thread(
            target=self._run, args=(launch,), name=f"launch-{launch.id[:6]}", daemon=True
        ).start()
        return launch

    def find(self, launch_id: str, student: str | None) -> Launch | None:
        """The student's own launch of this id."""
        launch = self._known.get(launch_id)
        return launch if launch and launch.student == student else None

    def _run(self, launch: Launch) -> None:
        logs.request_id.set(launch.request_id)
        try:
            opened = self.run(launch.link, launch.student, launch.tell)
        except self.expected as error:
            log.warning("launch failed: %s", error, extra={"launch": launch.id})
            launch.end(error=error)
        except Exception as error:  # the outermost edge of this thread: the page must say it
            log.exception("launch failed unexpectedly", extra={"launch": launch.id})
            launch.end(error=error)
        else:
            launch.end(opened=opened)
            seconds = launch.ended - launch.started
            log.info(
                "launch ready",
                extra={
                    "launch": launch.id,
                    "session": opened.session.id,
                    "seconds": round(seconds, 3),
                },
            )

    def _forget_old(self) -> None:
        now = time.time()
        for known in list(self._known.values()):
            if known.ended and now - known.ended > KEPT:
                del self._known[known.id]
