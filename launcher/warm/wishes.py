"""How many warm sessions the catalogue and class times ask for."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from envs.errors import EnvError
from launcher.environment import Environments, link_of
from launcher.rounds import Rounds
from launcher.warm.demand import Kind

log = logging.getLogger(__name__)

LOOK = 15.0
"""Seconds after which an environment's image is looked up again: a tag moved, one was promoted."""


@dataclass
class Wishes:
    """The minimum of each catalogue entry, and what classes will need."""

    environments: Environments
    egress: str
    """What sessions may reach where the catalogue does not say."""
    classes: Callable[[], Mapping[str, int]] = dict
    """How many students classes bring now, by the environment as links name it."""
    students: Callable[[str], int] = lambda image: 0
    """How many students have a session of the image: those of a class who are there already."""
    _kinds: dict[str, Kind | None] = field(default_factory=dict)
    _looked: float = -LOOK
    _thread: threading.Thread | None = None
    """The one that looks, or did."""
    _answered: bool = False
    """Whether one has looked at everything."""
    _rounds: Rounds = field(default_factory=lambda: Rounds("looking up what to keep warm"))

    def __call__(self) -> dict[Kind, int] | None:
        """How many sessions to have ready, as the last look found; None before the first has ended.

        Git hosts are asked for it, which may hang, so it looks in a thread of its own.
        """
        catalogue = self.environments.catalogue
        always = {name: entry.warm for name, entry in catalogue.items() if entry.warm}
        coming = self.classes()
        names = dict.fromkeys([*coming, *always])  # where not all fit, classes come first
        self._look_in_time(names)
        if names and not self._answered:
            return None
        found: dict[Kind, int] = {}
        for name in names:
            if kind := self._kinds.get(name):  # two names of one image share its sessions
                late = coming.get(name, 0) - self.students(kind.image)
                found[kind] = max(late, always.get(name, 0), found.get(kind, 0))
        return found

    def _look_in_time(self, names: Mapping[str, object]) -> None:
        if not names or (self._thread and self._thread.is_alive()):
            return
        if time.monotonic() - self._looked > LOOK or names.keys() - self._kinds.keys():
            self._looked = time.monotonic()
            self._thread = threading.Thread(
                target=self._run, args=(list(names),), name="wishes", daemon=True
            )
            self._thread.start()

    def _run(self, names: Iterable[str]) -> None:
        self._rounds.run(functools.partial(self._look, names))
        self._answered = True

    def _look(self, names: Iterable[str]) -> None:
        for name in names:
            link = link_of(name)
            try:
                image = self.environments.find_image(link)
                if image is None:  # its first build need not wait for a click
                    self.environments.prebuild.start(*self.environments.of(link))
            except (EnvError, OSError) as error:
                log.warning("the image of %s cannot be looked up: %s", name, error)
                self._kinds.setdefault(name, None)
                continue
            egress = self.environments.egress(link) or self.egress
            self._kinds[name] = Kind(image.name, egress) if image else None
