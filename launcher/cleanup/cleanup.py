"""What can go from the disk: images that nothing needs, checkouts and leftovers of builds, mirrors
of repositories that nobody took."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from envs.channels import NEXT, STABLE, Channels
from envs.errors import BadEnvironment
from envs.image import Image
from envs.store import Store
from envs.version_cache import VersionCache
from launcher.cleanup.copies import Copies
from launcher.cleanup.planned import Planned
from launcher.clock import Jumps
from launcher.environment import environment_of
from launcher.homes import disk
from launcher.homes.removal import remove_tree
from launcher.rounds import Rounds
from launcher.runtimes.base import Runtime
from launcher.sessions.history import History
from launcher.settings.entries import CatalogueEntry
from link_generator.link import Link

log = logging.getLogger(__name__)

DAY = 86400.0
FIRST = 900.0
"""Seconds after the start of a launcher in which it cleans up for the first time."""


@dataclass(frozen=True)
class Removed:
    """One thing that went, or would go."""

    what: str
    name: str
    size: int = 0
    """Bytes; an image shares most of its own with its base."""


@dataclass(frozen=True)
class Cleanup:
    """Looks at everything that this data folder built; other launchers' images are left alone."""

    store: Store
    runtime: Runtime
    channels: Channels
    versions: VersionCache
    history: History
    planned: Planned
    catalogue: dict[str, CatalogueEntry]
    keep_days: float
    cache: int
    """Bytes of cached packages and steps of builds that stay."""
    longest_build: float
    """Seconds; what is younger may belong to a build that runs."""
    copies: Copies

    def run(self, *, dry_run: bool = False) -> list[Removed]:
        """Remove what nothing needs, or with `dry_run` only say it."""
        needed = self.needed()
        gone = []
        for image in self._own():
            if image.name not in needed and (dry_run or self.store.remove(image.name)):
                gone.append(Removed("image", image.name, image.size))
        gone += self._checkouts(needed, dry_run=dry_run)
        gone += [
            Removed("mirror", one.name, one.size) for one in self.copies.remove(dry_run=dry_run)
        ]
        gone += list(self._logs({one.name for one in gone}, dry_run=dry_run))
        swept = self.runtime.images.sweep(
            older=self.longest_build, cache=self.cache, dry_run=dry_run
        )
        return gone + [Removed(*row) for row in swept]

    def needed(self) -> dict[str, str]:
        """Each image that stays, with the reason."""
        since = time.time() - self.keep_days * DAY
        own = {image.name: image for image in self._own()}
        found = {session.image: "a session uses it" for session in self.runtime.list()}
        clicked = {one.image for one in self.history.all() if max(one.started, one.ended) > since}
        found |= dict.fromkeys(clicked, f"a link used it in the last {self.keep_days:.0f} days")
        built = [
            one for one in self.store.records.all() if one.outcome == "built" and one.name in own
        ]
        newest = {one.repo: one.name for one in built}  # the records are sorted by time
        for one in built:
            if one.ended > since:
                found.setdefault(one.name, "it is new")
            if one.name in clicked:
                found.setdefault(newest[one.repo], "it is the newest of a repository in use")
        for repo, tag, why in [*self._named(), *self._planned()]:
            commit = self.versions.known(repo, tag)
            for one in built:
                if one.repo == repo and (one.ref == tag or one.commit == commit):
                    found.setdefault(one.name, why)
            if repo in newest:
                found.setdefault(newest[repo], f"it is the newest of its repository, and {why}")
        return found

    def _own(self) -> list[Image]:
        """The images that a record of this data folder knows."""
        known = {build.name for build in self.store.records.all()}
        return [image for image in self.runtime.images.list_images() if image.name in known]

    def _planned(self) -> Iterator[tuple[str, str, str]]:
        """Repository and tag of what is to be clicked, with why."""
        for link, why in self.planned.links():
            with contextlib.suppress(BadEnvironment):  # the catalogue may know it no more
                yield (*environment_of(link, self.catalogue, self.channels), why)

    def _named(self) -> Iterator[tuple[str, str, str]]:
        """The same of all that links may call by name, with what a rollback goes to."""
        why = "the catalogue or a channel names it"
        for name, entry in self.catalogue.items():
            repo, tag = environment_of(Link(env=name), self.catalogue, self.channels)
            yield repo, tag, why
            yield repo, entry.tag, why
            for channel in (STABLE, NEXT):
                for one in self.channels.kept(name, channel):
                    yield repo, one, why

    def _logs(self, gone: set[str], *, dry_run: bool) -> Iterator[Removed]:
        """What is kept of builds of long ago, once their image is gone."""
        records, before = self.store.records, time.time() - self.keep_days * DAY
        there = {image.name for image in self.runtime.images.list_images()} - gone
        newest = {one.name: one.ended for one in [*records.unfinished(), *records.all()]}
        for name in sorted(one for one, ended in newest.items() if ended < before):
            if name not in there and (dry_run or records.remove(name, before=before)):
                yield Removed("log", name)

    def _checkouts(self, needed: dict[str, str], *, dry_run: bool) -> list[Removed]:
        """Files of versions whose image is gone; a click fetches them again."""
        records = self.store.records
        commits = {one.commit for one in records.all() if one.name in needed}
        commits |= {one.commit for one in records.unfinished() if one.outcome == "running"}
        before = time.time() - max(self.longest_build, DAY)
        gone = []
        for folder in sorted((self.store.folder / "sources").glob("[!.]*-*")):
            if not folder.is_dir() or folder.lstat().st_mtime > before:
                continue
            if folder.name.partition("-")[2] in commits:
                continue
            found = Removed("checkout", folder.name, disk.used(folder) or 0)
            taken = None if dry_run else self.store.take_source(folder, before=before)
            if taken and (why := remove_tree(taken)):
                log.warning("a checkout stays: %s", why, extra={"path": taken.name})
            if taken or dry_run:
                gone.append(found)
        if not dry_run:
            self.store.drop_spare_locks()
        return gone


def regularly(
    run: Callable[[], Sequence[Removed]],
    every: float,
    ended: threading.Event,
    clock: Jumps | None = None,
) -> None:
    """Clean up each `every` seconds until `ended`; what goes wrong once is tried again.

    The first time is soon: a launcher that is started again each night would never get to it.
    Not on the day after the clock jumped: one that is a year ahead makes everybody's work old, and
    whoever runs the server sets it right.
    """
    rounds, clock = Rounds("cleaning up"), clock or Jumps("nothing is removed for a day")
    clock.last()

    def clean() -> None:
        if clock.recent(DAY):
            return
        gone = run()
        log.info("cleaned up", extra={"removed": [one.name for one in gone]})

    pause = min(every, FIRST)
    while not ended.wait(pause):
        rounds.run(clean)
        pause = every
