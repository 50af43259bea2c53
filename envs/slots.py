"""So many builds at a time, over all processes of one data folder; who waits has a place in a row.

A place, and a ticket of the row, is a lock on a file: it goes with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from envs.builder import Say
from envs.halt import Halt

WAITING = "Waiting for a build place"
"""How each line begins that says how many are before."""
BUILDING = "It is your turn"
"""What is said to who waited, once there is a place."""
_numbers = itertools.count()


@dataclass(frozen=True)
class Slots:
    """At most `count` holders at a time, first come first served."""

    folder: Path
    count: int
    poll: float = 0.1

    @contextlib.contextmanager
    def one(self, say: Say, halt: Halt) -> Iterator[None]:
        """Hold one of the places, waiting for it as long as need be.

        :raises envs.errors.EnvError: the build was cancelled meanwhile.
        """
        (self.folder / "row").mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._ticket() as ticket:
            place, told = self._free(ticket), -1
            try:
                while place is None:
                    before = self._before(ticket)
                    if before != told:
                        say(
                            f"{WAITING}, {before} before you"
                            if before
                            else f"{WAITING}, you are next"
                        )
                        told = before
                    halt.check()
                    time.sleep(self.poll)
                    place = self._free(ticket)
                if told >= 0:
                    say(BUILDING)
                ticket.unlink()  # from here on the next one may look for a place
                yield
            finally:
                if place:
                    place.close()

    @contextlib.contextmanager
    def _ticket(self) -> Iterator[Path]:
        """A place in the row: a file that sorts by its time, and is locked from the start."""
        name = f"{time.time_ns():020}-{os.getpid()}-{next(_numbers)}"
        path = self.folder / "row" / name
        with open(self.folder / name, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.rename(file.name, path)
            try:
                yield path
            finally:
                path.unlink(missing_ok=True)

    def _before(self, ticket: Path) -> int:
        """How many wait in front; tickets whose process died are removed."""
        count = 0
        for other in sorted((self.folder / "row").iterdir()):
            if other.name >= ticket.name:
                break
            with contextlib.suppress(FileNotFoundError), open(other) as file:
                if locked(file):
                    other.unlink(missing_ok=True)
                else:
                    count += 1
        return count

    def _free(self, ticket: Path) -> IO[str] | None:
        """A place that is ours now, if nobody waits in front and one is free."""
        if self._before(ticket):
            return None
        for number in range(self.count):
            file = open(self.folder / f"{number}", "a")  # noqa: SIM115 - the caller closes it
            if locked(file):
                return file
            file.close()
        return None


def locked(file: IO[str]) -> bool:
    """True when the lock is ours now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
