"""All sessions of this launcher: one per student and course, found, started, opened, stopped."""

from __future__ import annotations

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from envs.sizes import human
from launcher import logs
from launcher.database import DatabaseTrouble
from launcher.errors import HomeFull, LaunchError, SessionFailed
from launcher.gateway.client import GatewayClient
from launcher.homes import disk
from launcher.homes.home import Homes, has_server_settings
from launcher.progress import Phase, Progress
from launcher.room.queue import Queue, unlimited_queue
from launcher.runtimes.base import Runtime
from launcher.runtimes.own_commands import own_command
from launcher.session import (
    HOME_IN_SESSION,
    Limits,
    Session,
    SessionSpec,
    new_session_id,
    session_token,
)
from launcher.sessions.history import History
from launcher.sessions.server import FIRST_PAGES, ask_busy, ask_status
from launcher.sessions.turns import Turns
from launcher.warm.demand import Kind
from launcher.warm.pool import Pool

log = logging.getLogger(__name__)

LOOK = 0.5
"""Seconds between two questions to the runtime whether a session that starts still lives. The
server is asked more often: that costs little, and a class that starts keeps the engine busy."""


@dataclass
class Sessions:
    """Truth about sessions is in the runtime's labels; here is only what acts on it."""

    runtime: Runtime
    gateway: GatewayClient
    homes: Homes
    history: History
    secret: bytes
    limits: Limits
    start_timeout: float
    queue: Queue = field(default_factory=lambda: unlimited_queue())
    pool: Pool | None = None
    """The sessions that run already, if any do."""
    turns: Turns = field(default_factory=Turns)
    """One launch at a time for a student and course: two tabs end in one session."""

    def ensure(
        self,
        student: str,
        course: str,
        image: str,
        link: str,
        tell: Callable[[Progress], None],
        *,
        egress: str = "web",
        starting: Callable[[], None] = lambda: None,
    ) -> tuple[SessionSpec, Session]:
        """The student's session for the course on this image: the running one, or a new one.

        One on another image, or that may reach something else, is stopped first; its home stays
        and comes along. `starting` is called, and may wait, before a new one starts that was not
        ready.

        :raises launcher.errors.NoRoom: the student waits in line; what runs goes on.
        :raises launcher.errors.SessionFailed: the server did not start.
        """
        old = ""
        for session in self._in(course, student):
            if session.running and (session.image, session.egress) == (image, egress):
                logs.session_id.set(session.id)
                tell(Progress(Phase.SESSION, "Your session is already running"))
                return self.spec(session), session
            if session.running:
                old = session.id
            else:
                self.stop(session.id, why="replaced by a newer session")
        mine = functools.partial(
            self._spec, owner=student, course=course, image=image, link=link, egress=egress
        )
        with self._reserved(Kind(image, egress), self.homes.path(student, course)) as warm:
            session_id = self.queue.admit(student, course, image, instead_of=old)
            logs.session_id.set(session_id)
            try:
                if old:
                    tell(Progress(Phase.SESSION, "Closing your session on the other environment"))
                    self.stop(old, why="replaced by a newer session")
                if warm and self.pool:
                    spec = mine(warm.id)
                    if given := self.pool.hand_over(spec):
                        logs.session_id.set(spec.id)
                        self.queue.capacity.move(session_id, spec.id)
                        self.history.started(spec)
                        tell(Progress(Phase.SESSION, "A session was ready"))
                        return spec, given
                spec = mine(session_id)
                starting()
                tell(Progress(Phase.SESSION, "Starting your session"))
                self.runtime.prepare_home(spec)
                self.history.started(spec)
                session = self.runtime.start(spec)
            except BaseException:
                self.queue.capacity.release(session_id)
                raise
            finally:
                self.queue.done(student, course)
        self.queue.capacity.started(session_id)
        tell(Progress(Phase.SESSION, "Session started"))
        return spec, session

    def _in(self, course: str, student: str) -> list[Session]:
        """The student's sessions for the course, running or ended.

        Who has no folder yet has none, and nobody needs to ask: the folder comes first.
        """
        if self.runtime.attaches_folders and not self.homes.path(student, course).exists():
            return []
        return [one for one in self.of(student) if one.course == course]

    @contextlib.contextmanager
    def _reserved(self, kind: Kind, home: Path) -> Iterator[Session | None]:
        """A session that runs already, for this launch only; given back where it is not taken."""
        if self.pool is None:
            yield None
            return
        if has_server_settings(home):
            self.pool.make_room(kind.image)
            yield None
            return
        session = self.pool.reserve(kind)
        try:
            yield session
        finally:
            if session:
                self.pool.put_back(session)

    def spec(self, session: Session) -> SessionSpec:
        """What a running session was started with, from its labels."""
        return self._spec(
            session.id,
            owner=session.owner,
            course=session.course,
            image=session.image,
            link=session.link,
            egress=session.egress,
        )

    def spec_of_nobody(self, kind: Kind) -> SessionSpec:
        """What a session is started with before its student is known."""
        spec = self._spec(
            new_session_id(),
            owner="nobody",  # names a folder that is never made
            course="none",
            image=kind.image,
            link="",
            egress=kind.egress,
        )
        return replace(spec, owner="", course="")

    def _spec(
        self, session_id: str, *, owner: str, course: str, image: str, link: str, egress: str
    ) -> SessionSpec:
        return SessionSpec(
            id=session_id,
            owner=owner,
            course=course,
            image=image,
            link=link,
            token=session_token(self.secret, session_id),
            home=self.homes.path(owner, course),
            limits=self.limits,
            egress=egress,
        )

    def open(self, spec: SessionSpec, session: Session | None = None) -> Session:
        """Wait until the session's server answers, then let its owner in.

        `session` is what is known of it; where it has answered already, nobody waits. One that
        never answered anybody is stopped.

        :raises launcher.errors.SessionFailed: it ended, or did not answer in time.
        """
        if session is None or not session.answered:
            try:
                session = self._wait(spec)
            except SessionFailed:
                if not self.gateway.may_have(spec.id):
                    self.stop(spec.id, why="its server did not answer")
                raise
        self.gateway.add_route(spec.id, session.address, spec.owner, spec.token)
        return session

    def _wait(self, spec: SessionSpec) -> Session:
        deadline = time.monotonic() + self.start_timeout
        session, look, pause = None, 0.0, 0.02
        while True:
            if time.monotonic() >= look:
                session = self.runtime.find(spec.id)
                look = time.monotonic() + LOOK
            if session is None or not session.running:
                said = self.runtime.logs(spec.id, lines=20) if session else ""
                raise SessionFailed(
                    "The session's server ended at once"
                    + (f": {session.ended}." if session and session.ended else "."),
                    hint=said.strip()[-2000:],
                )
            if self.answers(session):
                return session
            if time.monotonic() > deadline:
                raise SessionFailed(
                    f"The session's server did not answer within {self.start_timeout:.0f} s.",
                    hint=self.runtime.logs(spec.id, lines=20).strip()[-2000:],
                )
            time.sleep(pause)
            pause = min(pause * 1.3, 0.25)

    def answers(self, session: Session) -> bool:
        """True when the session's server serves requests."""
        return self.status(session) is not None

    def rouse(self, session: Session) -> None:
        """Let a server that nobody uses yet do what it does at its first pages only.

        It reads the schemas of its settings, finds its kernels and its files: 0.15 s of CPU that
        forty students would otherwise wait for at once. Nothing is written by that.
        """
        token = session_token(self.secret, session.id)
        for path in FIRST_PAGES:
            ask_status(session.address, f"/s/{session.id}/{path}", token)

    def status(self, session: Session) -> dict[str, object] | None:
        """What Jupyter's `/api/status` says, or None while it does not answer."""
        token = session_token(self.secret, session.id)
        return ask_status(session.address, f"/s/{session.id}/api/status", token)

    def computes(self, session: Session) -> bool:
        """Whether a kernel of the session runs a cell, as far as its server says."""
        token = session_token(self.secret, session.id)
        return ask_busy(session.address, f"/s/{session.id}/", token)

    def of(self, student: str) -> list[Session]:
        """The student's sessions, running or ended."""
        return self.runtime.list(student)

    def stop(self, session_id: str, *, why: str) -> None:
        """Stop the session; the student's folder stays."""
        self.gateway.remove_route(session_id)
        self.runtime.stop(session_id)
        self.queue.capacity.release(session_id)
        try:
            ended = self.history.ended(session_id, why)
        except DatabaseTrouble as error:  # it has stopped all the same
            log.warning("an end is not remembered: %s", error, extra={"session_id": session_id})
            ended = None
        if ended:
            self.queue.pace.ended([ended.seconds])
        log.info("session stopped", extra={"session_id": session_id, "why": why})

    def stop_if_free(self, session: Session, *, why: str) -> bool:
        """Stop it, unless a launch is just coming back to it or starting it."""
        with self.turns.if_free(session.owner, session.course) as mine:
            if mine:
                self.stop(session.id, why=why)
            return mine

    def look_at_disk(self, session: Session) -> disk.Look:
        """What the session's home folder holds now."""
        if self.runtime.attaches_folders:
            return disk.look(self.homes.path(session.owner, session.course))
        began = time.monotonic()
        command = own_command(["du", "-sxk", "--", HOME_IN_SESSION])
        try:
            done = self.runtime.run(session.id, command, timeout=disk.LONGEST)
            used, trouble = int(done.out.split(b"\t")[0]) * 1024, ""
        except TimeoutError:
            used, trouble = 0, disk.SLOW
        except ValueError:
            used, trouble = 0, disk.CHANGING
        except LaunchError:
            used, trouble = 0, disk.UNREAD
        return disk.Look(used, trouble=trouble, seconds=time.monotonic() - began)

    def check_room(self, spec: SessionSpec) -> None:
        """Refuse to copy into a home that is full already.

        :raises launcher.errors.HomeFull: with the limit and the way out.
        """
        limit = self.limits.disk
        if not limit or not self.runtime.attaches_folders:
            return
        found = disk.look(spec.home).used
        if found >= limit:
            raise HomeFull(
                f"Your folder holds {human(found)}, and may hold {human(limit)}. "
                "The newest course files were not copied.",
                hint="Delete what you no longer need in your session, then update.",
            )

    def measure(self, running: Sequence[Session]) -> None:
        """Look at what the running sessions use of memory now."""
        images = {session.id: session.image for session in running}
        self.queue.capacity.measured.sample(self.runtime.memory(), images)
