"""The launches under way: each runs in a thread of its own and goes on without the tab.

One for which there is no room waits in line without a thread: when its turn comes, its story is
told again from the beginning, which finds the environment ready and brings the newest content.
"""

from __future__ import annotations

import bisect
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from launcher import logs
from launcher.errors import LaunchError, NoRoom, SessionFailed, in_words
from launcher.launch import Opened
from launcher.progress import Phase, Progress
from launcher.room.line import Key
from launcher.room.queue import Queue, Standing, unlimited_queue
from link_generator.link import Link

log = logging.getLogger(__name__)

KEPT = 600.0
"""Seconds that an ended launch is still known to its waiting page."""
WATCHED = 30.0
"""Seconds after its end in which whoever watches has read it all: pages ask every 2 or 3."""
LOG_BEGIN, LOG_END = 5, 100
"""Lines of a build's log that are kept of an ended launch; the build's page has them all."""
LOG_NOW = 1000
"""The same of a launch under way, at least: everybody of a class has a copy of it."""
LOOK = 1.0
"""Seconds after which those in line are looked at, if nothing happened before."""


class LeftLine(LaunchError):
    """The student gave up the place in line."""

    def __init__(self) -> None:
        super().__init__("You left the line.", hint="Open the link again to join it at the end.")


@dataclass(frozen=True, slots=True)
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
    """Unix seconds. All its other times follow from it, whatever becomes of the clock."""
    ended: float = 0.0
    opened: Opened | None = None
    error: Exception | None = None
    told: bool = False
    """True once somebody has seen how it ended, so that the next click starts afresh."""
    place: Key | None = None
    """The place in line that it has or had."""
    standing: Standing | None = None
    """Where in line it is; set while it waits, and then no thread runs it."""
    again: int = 0
    """The cursor where its story began for the last time."""
    asked: float = field(default_factory=time.monotonic)
    """When somebody last asked for it."""
    _began: float = field(default_factory=time.monotonic)
    _events: list[Event] = field(default_factory=list)
    _logged: int = 0
    """How many of the events are lines of a build's log."""
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _news: threading.Condition = field(init=False)
    _over: threading.Condition = field(init=False)
    """It has ended or stands in line: who waits for that is not woken by every step."""

    def __post_init__(self) -> None:
        self._news, self._over = threading.Condition(self._guard), threading.Condition(self._guard)

    def now(self) -> float:
        """Unix seconds, by the clock as it was when the launch began."""
        return self.started + time.monotonic() - self._began

    @property
    def phase(self) -> Phase:
        if self.opened:
            return Phase.READY
        if self.error:
            return Phase.FAILED
        events = self.events()
        return events[-1].progress.phase if events else Phase.LINK

    @property
    def cursor(self) -> int:
        """The newest event's."""
        return self._events[-1].cursor if self._events else 0

    def events(self, since: int = 0) -> list[Event]:
        """The events after the cursor `since`, oldest first; 0 is all of them."""
        with self._guard:
            first = bisect.bisect_right(self._events, since, key=lambda event: event.cursor)
            return self._events[first:]

    def was_opened(self, before: float) -> bool:
        """True where it opened its session more than so many seconds before now."""
        with self._guard:
            return self.opened is not None and self.now() - self.ended > before

    def tell(self, progress: Progress) -> None:
        with self._guard:
            self._events.append(Event(self.cursor + 1, self.now(), progress))
            self._logged += progress.log
            if self._logged > 2 * LOG_NOW:
                self._forget_log(LOG_NOW)
            self._news.notify_all()

    def wait_for_news(self, since: int, timeout: float) -> bool:
        """True when there are events after the cursor, or the launch has ended, in time."""
        with self._guard:
            return self._news.wait_for(lambda: bool(self.ended) or self.cursor > since, timeout)

    def wait(self, timeout: float) -> bool:
        """True when the launch has ended, or waits in line, within `timeout` seconds."""
        with self._guard:
            return self._over.wait_for(lambda: bool(self.ended or self.standing), timeout)

    def stand(self, standing: Standing) -> None:
        """It waits at this place in line; whoever watches is told when that moves."""
        with self._guard:
            if self.ended:
                return
            before, self.standing = self.standing, standing
            self._over.notify_all()
        if before is None or before.place != standing.place:
            said = f"{standing.place}. {standing.sentence}"
            self.tell(Progress(Phase.QUEUE, said))

    def go_on(self) -> None:
        """Its turn has come."""
        with self._guard:
            self.standing, self.again = None, self.cursor

    def end(self, *, opened: Opened | None = None, error: Exception | None = None) -> None:
        with self._guard:
            self.opened, self.error, self.ended = opened, error, self.now()
            self.standing = None
            self._news.notify_all()
            self._over.notify_all()

    def shorten(self) -> None:
        """Forget most of a build's log: nobody watches any more."""
        with self._guard:
            self._forget_log(LOG_END)

    def _forget_log(self, last: int) -> None:
        """Keep the log's begin and its `last` lines; cursors stay what they were."""
        log = [event.cursor for event in self._events if event.progress.log]
        gone = set(log[LOG_BEGIN : max(LOG_BEGIN, len(log) - last)])
        if gone:
            self._events = [event for event in self._events if event.cursor not in gone]
            self._logged = len(log) - len(gone)


@dataclass
class Launches:
    """Starts launches; the same student and link share the one that is under way."""

    run: Callable[[Link, str, Callable[[Progress], None]], Opened]
    expected: tuple[type[Exception], ...]
    """Errors that a page explains; any other one is logged with its traceback."""
    queue: Queue = field(default_factory=unlimited_queue)
    _known: dict[str, Launch] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _caller: threading.Thread | None = None

    def ensure(self, link: Link, student: str, request_id: str, *, retry: bool = False) -> Launch:
        """The launch of this link by this student that nobody has seen the end of, or a new one.

        One that opened a while ago is never given again: its session may be gone by now, and its
        content old. With `retry` neither is a failed one.
        """
        with self._guard:
            self._forget_old()
            for launch in self._known.values():
                same = launch.student == student and launch.link == link
                over = launch.told or launch.was_opened(WATCHED) or (retry and launch.error)
                if same and not over:
                    self.asked_for(launch)
                    return launch
            launch = Launch(link, student, request_id)
            self._known[launch.id] = launch
        self._start(launch)
        return launch

    def find(self, launch_id: str, student: str | None) -> Launch | None:
        """The student's own launch of this id."""
        launch = self._known.get(launch_id)
        if launch is None or launch.student != student:
            return None
        self.asked_for(launch)
        return launch

    def all(self) -> list[Launch]:
        """Those under way, and those that ended a moment ago."""
        with self._guard:
            self._forget_old()
            return list(self._known.values())

    def leave(self, launch: Launch) -> None:
        """Give up the place in line, with every launch that waits for it; one that runs goes on."""
        if launch.place:
            self.queue.leave(*launch.place)
        with self._guard:
            for one in [one for one in self._known.values() if one.place == launch.place]:
                if one.standing:
                    del self._known[one.id]
                    one.end(error=LeftLine())

    def asked_for(self, launch: Launch) -> None:
        """Somebody watches: the place in line is wanted."""
        launch.asked = time.monotonic()
        if launch.standing and launch.place:
            self.queue.seen(*launch.place)

    def _start(self, launch: Launch) -> None:
        thread = threading.Thread(
            target=self._run, args=(launch,), name=f"launch-{launch.id[:6]}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            self._end_without_thread(launch)

    def _end_without_thread(self, launch: Launch) -> None:
        """The machine gives no further thread: its page says so, and a click tries again."""
        log.error("a launch got no thread", extra={"launch": launch.id})
        if launch.place:
            self.queue.leave(*launch.place)
        launch.end(error=SessionFailed("This server has too much to do to start it now."))

    def _wait_in_line(self, launch: Launch, place: Key) -> None:
        """Let the launch wait without a thread of its own; one thread calls all who wait."""
        standing = self.queue.standing(*place)
        with self._guard:
            launch.place = place
            launch.stand(standing or Standing(1, 1, None))
            if self._caller:
                return
            caller = threading.Thread(target=self._call, name="queue", daemon=True)
            try:
                caller.start()
            except RuntimeError:
                self._end_without_thread(launch)
            else:
                self._caller = caller

    def _call(self) -> None:
        """Call those whose turn it is, until nobody waits any more."""
        while True:
            try:
                with self._guard:
                    waiting = [one for one in self._known.values() if one.standing]
                    if not waiting:
                        self._caller = None
                        return
                called = self.queue.called({one.place for one in waiting if one.place}, LOOK)
                for launch in waiting:
                    self._look_after(launch, called)
            except Exception:  # the outermost edge of this thread: it must go on
                log.exception("calling from the line failed")
                time.sleep(LOOK)

    def _look_after(self, launch: Launch, called: set[Key]) -> None:
        """One that waits: its turn, its new place, or gone with its place."""
        place = launch.place or ("", "")
        standing = self.queue.standing(*place)
        if standing and place not in called:
            launch.stand(standing)
            return
        away = time.monotonic() - launch.asked
        with self._guard:
            if launch.standing is None or launch.id not in self._known:
                return  # it was left meanwhile
            if standing is None and away > self.queue.grace:
                del self._known[launch.id]  # who comes back clicks again, and joins at the end
                return
            launch.go_on()
        self._start(launch)

    def _run(self, launch: Launch) -> None:
        logs.request_id.set(launch.request_id)
        began = time.monotonic()
        try:
            opened = self.run(launch.link, launch.student, launch.tell)
        except NoRoom as full:
            self._wait_in_line(launch, (full.student, full.course))
            return
        except Exception as error:  # the outermost edge of this thread: the page must say it
            known = in_words(error)
            if isinstance(known, self.expected):
                log.warning("launch failed: %s", known, extra={"launch": launch.id})
            else:
                log.exception("launch failed unexpectedly", extra={"launch": launch.id})
            forget_where(known)
            launch.end(error=known)
        else:
            self.queue.pace.opened(time.monotonic() - began)
            launch.end(opened=opened)
            seconds = launch.ended - launch.started
            log.info(
                "launch ready",
                extra={
                    "launch": launch.id,
                    "session_id": opened.session.id,
                    "seconds": round(seconds, 3),
                },
            )
        if launch.place:  # the room that was kept is used, or it is for the next one
            self.queue.leave(*launch.place)

    def _forget_old(self) -> None:
        for known in list(self._known.values()):
            over = known.now() - known.ended if known.ended else 0.0
            if over > KEPT:
                del self._known[known.id]
            elif over > WATCHED:
                known.shorten()


def forget_where(error: BaseException) -> None:
    """What was raised is kept for its page; the log has the traceback.

    That holds on to all that the launch's functions had in their hands.
    """
    error.__traceback__ = error.__cause__ = error.__context__ = None
