"""The story of one click: a link becomes a running session with the content in it.

Read this first. Each step is one call into the package that knows it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from envs.errors import EnvError
from launcher.asking import Asking
from launcher.config import Config
from launcher.content.delivered import (
    all_delivered,
    check_course,
    delivered_before,
    delivered_in,
    folders_of,
    note_course,
)
from launcher.content.delivery import Delivery
from launcher.content.mirror import Mirrors, Upstream
from launcher.content.named_paths import check_paths
from launcher.content.newest import Newest
from launcher.content.receipt import Receipt
from launcher.environment import Environments
from launcher.errors import ContentNotFound, HomeFull, LaunchError, PathNotFound
from launcher.progress import Phase, Progress, Tell
from launcher.room.turnstile import Turnstile
from launcher.session import Session, SessionSpec
from launcher.sessions.sessions import Sessions
from link_generator.content import Content
from link_generator.link import Link, compose_link

CORES = os.cpu_count() or 1
INSIDE = 3
"""Launches that do their work at a time where sessions are ready: one computes while the others
wait for disk and gateway. More of them would only pass Python's lock to each other."""
LONGEST_START = 15.0
"""Seconds after which another session starts, whatever became of one before it."""
PATIENCE = 20.0
"""Seconds that who wants the newest files waits for their turn, and for a git host, before they are
told."""


@dataclass(frozen=True)
class Opened:
    """How a launch ends well."""

    session: Session
    url: str
    """The notebook's absolute address."""
    receipts: tuple[Receipt, ...] = ()
    """What the pull of each content repository did."""


@dataclass(frozen=True)
class Launcher:
    """The parts that a launch needs; made once, by `create_launcher` in `launcher.app`."""

    config: Config
    environments: Environments
    mirrors: Mirrors
    delivery: Delivery
    sessions: Sessions
    asking: Asking
    turnstile: Turnstile = field(default_factory=lambda: Turnstile(INSIDE))
    starts: Turnstile = field(default_factory=lambda: Turnstile(2 * CORES, LONGEST_START))
    """For sessions that start now: a hundred at once would each get a hundredth of the machine, and
    none would answer in time."""

    def launch(self, link: Link, student: str, tell: Tell) -> Opened:
        """Open the link for the student, saying each step to `tell`.

        :raises envs.errors.EnvError: the environment cannot be found or built.
        :raises launcher.errors.LaunchError: anything else that keeps the notebook closed.
        """
        tell(Progress(Phase.LINK, "Link read"))
        course = self.environments.course(link)
        asked = [self._ask(content) for content in link.contents]
        image = self.environments.ensure_image(link, tell)
        home = self.sessions.homes.path(student, course)
        sources = self._sources_or_own(link, asked, home, tell)
        with (
            self.sessions.turns.wait_for(student, course),
            contextlib.ExitStack() as place,
        ):
            place.enter_context(self.turnstile.turn(saying_how_many(tell)))
            check_course(home, self.environments.address(link))

            def starting() -> None:
                place.close()  # others have a session that is ready, and need a moment only
                place.enter_context(self.starts.turn(saying_how_many(tell)))

            spec, session = self.sessions.ensure(
                student,
                course,
                image.name,
                compose_link(link, ""),
                tell,
                egress=self.environments.egress(link) or self.config.session.egress,
                starting=starting,
            )
            if not link.contents:  # what brings content says whose home it is
                with contextlib.suppress(OSError):  # a full disk: the next click says it
                    note_course(spec.home, self.environments.address(link))
            receipts: tuple[Receipt, ...] = ()
            try:
                if sources is not None:
                    # Whoever had the turn before may have brought something newer than a copy.
                    newest = [one.since(known) for one, known in zip(asked, sources, strict=True)]
                    receipts = self._deliver(link, newest, spec, tell)
            except HomeFull as error:  # who has no room left needs the session to make some
                tell(Progress(Phase.CONTENT, f"{error.message} {error.hint}"))
            tell(Progress(Phase.OPENING, f"Opening {link.opens}"))
            session = self.sessions.open(spec, session)
        here = receipts or delivered_before(link, spec)
        target = link.target(here[0].folder if here else "")
        return Opened(session, f"{self.config.public_url}{spec.base_url}{target}", receipts)

    def update(self, session: Session) -> tuple[Receipt, ...]:
        """Pull the newest content into a running session: what a new click would bring.

        :raises launcher.errors.LaunchError: it could not be done; nothing was lost.
        :raises envs.errors.EnvError: the same, because a git host cannot be asked.
        """
        turns = self.sessions.turns
        with turns.wait_for(session.owner, session.course, patience=PATIENCE):
            spec = self.sessions.spec(session)
            self.sessions.check_room(spec)
            every = all_delivered(spec)
            asked = [self._ask(one.content) for one in every]
            receipts: list[Receipt] = []
            failures: list[EnvError | LaunchError] = []
            for one, newest in zip(every, asked, strict=True):
                try:
                    source = newest.get_within(PATIENCE)
                    receipts.append(self.delivery.deliver(one.content, source, spec, one.folder))
                except (EnvError, LaunchError) as error:  # the other folders are brought up to date
                    failures.append(error)
        if failures:
            raise failures[0]
        return tuple(receipts)

    def _ask(self, content: Content) -> Newest:
        """Ask for the newest content, while the environment is looked up."""
        return Newest.of(content, self.mirrors, self.asking)

    def _sources_or_own(
        self, link: Link, asked: Sequence[Newest], home: Path, tell: Tell
    ) -> list[Upstream] | None:
        """What a click gets of each content.

        None: nothing, since a repository is gone or private by now; what it brought is there.
        """
        try:
            return self._sources(link, asked)
        except ContentNotFound as error:
            had = {one.repo for one in delivered_in(home)}
            if not all(content.repo in had for content in link.contents):
                raise
            said = f"{error.message} You go on with the files that you have."
            tell(Progress(Phase.CONTENT, said))
            return None

    def _sources(self, link: Link, asked: Sequence[Newest]) -> list[Upstream]:
        """What a click gets of each content.

        :raises PathNotFound: the newest content, as far as that can be known, lacks a path.
        """
        sources = [one.get_soon() for one in asked]
        try:
            check_paths(link, sources, self.mirrors)
        except PathNotFound:
            if not any(one.stale for one in sources):
                raise
            sources = [one.get() for one in asked]  # it may be newer than the copies
            check_paths(link, sources, self.mirrors)
        return sources

    def _deliver(
        self, link: Link, sources: Sequence[Upstream], spec: SessionSpec, tell: Tell
    ) -> tuple[Receipt, ...]:
        self.sessions.check_room(spec)
        receipts = []
        for content, source, folder in zip(
            link.contents, sources, folders_of(link, spec), strict=True
        ):
            tell(Progress(Phase.CONTENT, f"Copying {folder}, {source.commit[:7]}"))
            receipt = self.delivery.deliver(content, source, spec, folder)
            tell(Progress(Phase.CONTENT, receipt.sentence()))
            receipts.append(receipt)
        return tuple(receipts)


def saying_how_many(tell: Tell) -> Callable[[int], None]:
    """What tells those who wait for their turn why nothing happens."""

    def say(before: int) -> None:
        if before:
            tell(Progress(Phase.SESSION, f"{before} who clicked before you are let in first"))

    return say
