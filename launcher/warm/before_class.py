"""What is done before a class: its environment is built, and the copy of its content refreshed.

The pool starts the sessions; it asks `Classes.wanted` how many.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from envs.image import image_name
from launcher.classes.classes import Classes
from launcher.classes.times import ClassTime
from launcher.content.mirror import Mirrors, Upstream
from launcher.environment import Environments, link_of
from launcher.rounds import Rounds
from link_generator.link import Link

log = logging.getLogger(__name__)

DAY = 24 * 3600.0
"""Seconds before a class from which its environment must be there: a build may take an hour."""
REFRESHED = 60.0
"""Seconds after which the copy of the content is refreshed again, until the class begins."""


@dataclass
class BeforeClass:
    """Looks at the coming classes each `every` seconds, in a thread of its own."""

    classes: Classes
    environments: Environments
    mirrors: Mirrors
    every: float = 15.0
    now: Callable[[], float] = time.time
    content: dict[ClassTime, Upstream] = field(default_factory=dict)
    """What was found of each class's content, for those that are near."""
    _refreshed: dict[tuple[str, str], float] = field(default_factory=dict)
    """Monotonic seconds: a clock that is set back must not stop refreshing."""
    _rounds: dict[ClassTime, Rounds] = field(default_factory=dict)

    def start(self, ended: threading.Event) -> None:
        threading.Thread(target=self._run, args=(ended,), name="classes", daemon=True).start()

    def round(self) -> None:
        """One look. What cannot be done is told once, and tried again in the next round."""
        now = self.now()
        coming = [one for one in self.classes.coming(now) if one.starts - now < DAY]
        for one in coming:
            rounds = self._rounds.setdefault(one, Rounds(f"preparing the class on {one.env}"))
            rounds.run(functools.partial(self._prepare, one, now))
        self.content = {one: self.content[one] for one in coming if one in self.content}
        self._rounds = {one: self._rounds[one] for one in coming}

    def _prepare(self, one: ClassTime, now: float) -> None:
        self._build(one)
        if one.repo and one.is_near(now):
            self._refresh(one, now)

    def _build(self, one: ClassTime) -> None:
        link = link_of(one.env)
        repo, tag = self.environments.of(link)
        version = self.environments.versions.resolve(repo, tag)
        if self.environments.store.find_image(version) is None:
            self.environments.prebuild.start(repo, tag)

    def _refresh(self, one: ClassTime, now: float) -> None:
        key = (one.repo, one.branch)
        long_ago = time.monotonic() - self._refreshed.get(key, float("-inf")) > REFRESHED
        if not long_ago or (now > one.starts and one in self.content):
            return  # clicks refresh it from now on
        found = self.mirrors.shape(self.mirrors.refresh(*key))
        self.mirrors.prepared_clone(found)
        self._refreshed[key], self.content[one] = time.monotonic(), found
        log.info(
            "content is ready for a class", extra={"repo": one.repo, "commit": found.commit[:7]}
        )

    def _run(self, ended: threading.Event) -> None:
        rounds = Rounds("preparing classes")
        while not ended.wait(self.every):
            rounds.run(self.round)


def image_of(environments: Environments, link: Link) -> str:
    """An image's name as the link's environment has it; enough to know what its sessions use.

    :raises envs.errors.BadEnvironment: no such name in the catalogue.
    """
    return image_name(environments.of(link)[0], "", "")
