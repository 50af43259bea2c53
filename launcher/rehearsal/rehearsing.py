"""Rehearsals that run while somebody watches a page: two at a time, one for each link."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from launcher.errors import LaunchError
from launcher.rehearsal.rehearsal import Rehearsal, Rehearsals
from link_generator.link import Link, compose_link

log = logging.getLogger(__name__)

AT_ONCE = 2
MOST_WAITING = 10
MOST_KEPT = 200
"""Runs whose steps can still be read."""

Rehearse = Callable[[Link, Callable[[str], None]], Rehearsal]


class TooManyRehearsals(LaunchError):
    """More rehearsals wait than will be done soon."""


@dataclass
class Run:
    """One rehearsal, as far as it is."""

    link: Link
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    steps: list[str] = field(default_factory=list)
    state: str = "waiting"
    """`waiting` for its turn, `running` or `done`."""
    result: Rehearsal | None = None


@dataclass
class Rehearsing:
    """Starts rehearsals in the background and remembers how they go on."""

    rehearse: Rehearse
    kept: Rehearsals
    _runs: dict[str, Run] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rehearsal")
    )

    def ensure(self, link: Link) -> Run:
        """The rehearsal of the link that is under way, else a new one.

        :raises TooManyRehearsals: as many wait already as there is patience for.
        """
        with self._guard:
            under_way = [run for run in self._runs.values() if run.state != "done"]
            for run in under_way:
                if run.link == link:
                    return run
            if len(under_way) >= AT_ONCE + MOST_WAITING:
                raise TooManyRehearsals(
                    "Too many rehearsals wait for their turn.", hint="Try again in a minute."
                )
            run = Run(link)
            self._runs[run.id] = run
            for old in [one.id for one in self._runs.values() if one.state == "done"][:-MOST_KEPT]:
                del self._runs[old]
        self._pool.submit(self._run, run)
        return run

    def find(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def _run(self, run: Run) -> None:
        run.state, at, began = "running", time.time(), time.monotonic()
        try:
            found = self.rehearse(run.link, lambda line: run.steps.append(line.strip()))
        except Exception:  # nobody else would ever hear of it
            log.exception("a rehearsal broke", extra={"link": compose_link(run.link, "")})
            said = "The rehearsal broke on this server; the link itself may be fine."
            found = Rehearsal(at, round(time.monotonic() - began, 1), False, error=said)
        try:
            self.kept.keep(run.link, found)
        except OSError:
            log.exception("a rehearsal could not be kept")
        run.result, run.state = found, "done"
