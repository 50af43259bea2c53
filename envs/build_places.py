"""So many builds at a time, over all processes of one data folder; who waits has a place in a row.

Builds that the administrator chose go before strangers', each kind first come first served, and
strangers' leave them a place. A ticket is a lock on a file: it goes with its process, however that
ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from envs.builder import Say
from envs.credentials import place_of
from envs.errors import TooManyBuilds
from envs.halt import Halt

WAITING = "Waiting for a build place"
"""How each line begins that says how many are before."""
BUILDING = "It is your turn"
"""What is said to who waited, once there is a place."""
ROW, RUNNING = "row", "running"
"""Folders of tickets."""
CHOSEN, STRANGER, LAST = "a", "b", "c"
"""How tickets begin, in the order in which they are served; none begins with the last one."""
_numbers = itertools.count()


@dataclass(frozen=True)
class BuildPlaces:
    """At most `count` builds at a time, and `per_owner` strangers' that run or wait."""

    folder: Path
    count: int
    per_owner: int
    poll: float = 0.1
    kept: int = 1
    """Places that strangers do not get; one is theirs in any case."""

    @contextlib.contextmanager
    def ticket(self, repo: str, *, chosen: bool) -> Iterator[str]:
        """A place in the row, and then one to build at, until the block ends.

        :raises TooManyBuilds: as many builds of the repository's owner run or wait as may.
        """
        for where in (ROW, RUNNING):
            (self.folder / where).mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = owner_of(repo)
        mark = hashlib.sha256(owner.encode()).hexdigest()[:16]
        with contextlib.ExitStack() as held:
            with self._door():
                others = [*self._tickets(ROW), *self._tickets(RUNNING)]
                alike = [one for one in others if one.startswith(STRANGER) and one.endswith(mark)]
                if not chosen and len(alike) >= self.per_owner:
                    raise TooManyBuilds(owner, len(alike))
                kind, number = CHOSEN if chosen else STRANGER, f"{os.getpid()}-{next(_numbers)}"
                name = f"{kind}-{time.time_ns():020}-{number}-{mark}"
                file = held.enter_context(open(self.folder / name, "w"))
                fcntl.flock(file, fcntl.LOCK_EX)
                os.rename(file.name, self.folder / ROW / name)  # nobody sees it without its lock
            try:
                yield name
            finally:
                for where, kind in itertools.product((ROW, RUNNING), (CHOSEN, STRANGER)):
                    (self.folder / where / as_kind(kind, name)).unlink(missing_ok=True)

    def wait(
        self, ticket: str, say: Say, halt: Halt, *, chosen: Callable[[], bool] = lambda: False
    ) -> None:
        """Wait for a place to build at, as long as need be.

        A stranger's is one that the administrator chose as soon as `chosen` says so.

        :raises envs.errors.EnvError: the build was cancelled meanwhile.
        """
        told = -1
        while not self._begin(ticket):
            if ticket.startswith(STRANGER) and chosen():
                ticket = self._choose(ticket)
                continue
            before = self._before(ticket)
            if before != told:
                say(f"{WAITING}, {f'{before} before you' if before else 'you are next'}")
                told = before
            halt.check()
            time.sleep(self.poll)
        if told >= 0:
            say(BUILDING)

    def _begin(self, ticket: str) -> bool:
        """Take a place, if nobody is before and one is free."""
        if self._before(ticket):  # most of a long row need not come to the door
            return False
        with self._door():
            running = self._tickets(RUNNING)
            strangers = [one for one in running if one.startswith(STRANGER)]
            kept = ticket.startswith(STRANGER) and len(strangers) >= max(1, self.count - self.kept)
            if kept or len(running) >= self.count or self._before(ticket):
                return False
            (self.folder / ROW / ticket).rename(self.folder / RUNNING / ticket)
            return True

    def _choose(self, ticket: str) -> str:
        """The ticket as one of those that the administrator chose, by when it came."""
        with self._door():
            (self.folder / ROW / ticket).rename(self.folder / ROW / as_kind(CHOSEN, ticket))
        return as_kind(CHOSEN, ticket)

    def _before(self, ticket: str) -> int:
        """How many wait in front."""
        return len(self._tickets(ROW, before=ticket))

    def _tickets(self, where: str, *, before: str = LAST) -> list[str]:
        """The tickets there; those whose process died are removed."""
        found = []
        for path in [one for one in (self.folder / where).iterdir() if one.name < before]:
            with contextlib.suppress(FileNotFoundError), open(path) as file:
                if locked(file):
                    path.unlink(missing_ok=True)
                else:
                    found.append(path.name)
        return found

    @contextlib.contextmanager
    def _door(self) -> Iterator[None]:
        """One at a time looks at the tickets and moves one; nobody waits for anything in here."""
        with open(self.folder / "door", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def as_kind(kind: str, ticket: str) -> str:
    """The name of the ticket as one of that kind."""
    return f"{kind}-{ticket.partition('-')[2]}"


def owner_of(repo: str) -> str:
    """Whose repository this is: its host and the first part of its path, for a person to read."""
    host, path = place_of(repo) or ("", repo)  # a folder of this machine
    return f"{host.removeprefix('docker:')}/{path.partition('/')[0]}".lower()


def locked(file: IO[str]) -> bool:
    """True when the lock is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
