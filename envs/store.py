"""Images, each built once: look, lock, look again, build, record."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from envs.build import Build, write_record
from envs.build_log import LOG, LogWriter, read_log_lines
from envs.build_places import BuildPlaces
from envs.builder import Builder, Say
from envs.checkout import Allowance, checkout
from envs.errors import BadEnvironment, BuildCancelled, BuildFailed, EnvError, NotOffered, OverLimit
from envs.explain import FirstError, explain
from envs.git import Git
from envs.halt import Halt
from envs.held import held
from envs.image import Image, image_name
from envs.lock import kept_part
from envs.log_tail import LogTail
from envs.readers import read_recipe
from envs.readers.texts import read_texts
from envs.recipe import Recipe
from envs.records import Records
from envs.room import ROOMY, Room
from envs.version import EXISTING, Version

log = logging.getLogger(__name__)

CATALOGUE = "catalogue"
"""Whose caches the environments share that the administrator chose."""
CANCEL = "cancel"
"""A file beside the log of a build that is to end."""
CHOSEN = "chosen"
"""The same beside that of one that a version waits for which the administrator chose."""


@dataclass
class Store:
    """Builds environments through `builder`; keeps logs and records in `folder`."""

    folder: Path
    builder: Builder
    git: Git
    poll: float = 0.1
    """Seconds between two looks at a log that another process writes."""
    delegates: Callable[[str], bool] = lambda _repo: False
    """True for the addresses of repositories that are left to repo2docker."""
    trusts: Callable[[Version], bool] = lambda _version: False
    """True for versions that the administrator chose."""
    at_once: int = 2
    """Builds that run at a time; more wait for a place."""
    largest: int = 0
    """Bytes that an environment repository may hold; 0 is no limit."""
    room: Room = ROOMY
    """What a fetch leaves on the disk."""
    per_owner: int = 3
    """Builds of one owner's repositories that run or wait, of versions that nobody trusts."""
    kept: int = 0
    """Places to build at that those never get."""

    @functools.cached_property
    def records(self) -> Records:
        """What is kept of its builds."""
        return Records(self.folder)

    def ensure_image(self, version: Version, *, say: Say) -> Image:
        """The image of this version, built if nobody has built it yet.

        Whoever comes while it is built, from any process, sees the same log from its beginning.

        :raises envs.errors.EnvError: it cannot be fetched, understood or built, or not yet.
        """
        began = time.monotonic()
        try:
            source, recipe, name = self.plan(version)
        except (BadEnvironment, NotOffered) as error:
            self.records.note_refusal(version, error)
            raise
        fetched = time.monotonic() - began
        found = self.builder.find_image(name)
        if found:
            return found
        chosen = self.trusts(version)
        with self._turn(name, say, chosen=chosen) as waited_since:
            found = self.builder.find_image(name)
            if found:
                return found
            last = self.records.last(name)
            # An older failure says nothing of the build that was watched and, say, killed.
            if waited_since and last and last.ended >= waited_since:
                if last.outcome == "failed":
                    raise last.as_error(tuple(self.records.log(name).splitlines()[-20:]))
                if last.outcome == "cancelled":
                    raise BuildCancelled(last.error, hint=last.hint)
            with self._build_places.ticket(version.repo, chosen=chosen) as ticket:
                return self._build(
                    version,
                    name,
                    recipe=recipe,
                    source=source,
                    fetched=fetched,
                    say=say,
                    ticket=ticket,
                )

    def cancel(self, name: str) -> bool:
        """End the build of this image, whichever process runs it; False when nobody builds it."""
        build = self.records.newest(name)
        if build is None or build.outcome != "running":
            return False
        (self.records.place(name) / CANCEL).touch()
        return True

    def find_image(self, version: Version) -> Image | None:
        """The image of this version if it is built."""
        return self.builder.find_image(self.plan(version)[2])

    def lock_of(self, version: Version) -> str:
        """The packages of the version's image, empty where they are not known."""
        try:
            return self.records.lock(version.repo, self.plan(version)[2])
        except EnvError:
            return ""

    def older_image(self, version: Version) -> Image | None:
        """The newest image that was built for the version's ref, whatever it named then.

        Of a version that is not built that is the one before it.
        """
        for build in reversed(self.records.of(version.repo)):
            if build.ref == version.ref and build.outcome == "built":
                image = self.builder.find_image(build.name)
                if image:
                    return image
        return None

    def remove(self, name: str) -> bool:
        """Remove the image; False while somebody builds it."""
        file = self.records.take(name)
        if file is None:
            return False
        with file:
            self.builder.remove_image(name)
            return True

    def source(self, version: Version) -> Path:
        """The folder with the files of this version, fetched once."""
        mark = hashlib.sha256(version.repo.encode()).hexdigest()[:12]
        folder = self.folder / "sources" / f"{mark}-{version.commit}"
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with held(folder.with_suffix(".lock")):  # a whole class clicks: one of them fetches
            with contextlib.suppress(FileNotFoundError):
                os.utime(folder)  # in use from now on: what is old may be removed
                return folder
            if version.repo.startswith(EXISTING):
                folder.mkdir()  # an image has no files of its own
                return folder
            self.room.ensure(log.info)
            return checkout(
                version, folder, git=self.git, allowance=Allowance(self.largest, room=self.room)
            )

    def take_source(self, folder: Path, *, before: float) -> Path | None:
        """Move a checkout to where only its removal is left to do; None where that may not be.

        That is while somebody takes it, or where somebody has since `before`, in Unix seconds.
        """
        lock = folder.with_suffix(".lock")
        with contextlib.suppress(BlockingIOError), held(lock, wait=False):
            if folder.lstat().st_mtime <= before:
                taken = folder.rename(folder.with_name(f".gone-{uuid.uuid4().hex[:12]}"))
                lock.unlink()
                return taken
        return None

    def drop_spare_locks(self) -> None:
        """Remove the locks of checkouts that are not there, unless somebody is making them."""
        for lock in (self.folder / "sources").glob("*.lock"):
            with contextlib.suppress(BlockingIOError), held(lock, wait=False):
                if not lock.with_suffix("").exists():
                    lock.unlink()

    def plan(self, version: Version) -> tuple[Path, Recipe, str]:
        """The checkout, what it asks for, and the name of its image."""
        source = self.source(version)
        recipe = read_recipe(source, delegate=self.delegates(version.repo))
        if version.repo.startswith(EXISTING):
            name = f"{version.repo.removeprefix(EXISTING)}@sha256:{version.commit}"
            recipe = Recipe(kind="image", image=name, used=(name,))
        plan = self.builder.plan(recipe, source)
        return source, recipe, image_name(version.repo, version.commit, plan)

    @property
    def _build_places(self) -> BuildPlaces:
        return BuildPlaces(
            self.folder / "slots", self.at_once, self.per_owner, self.poll, self.kept
        )

    def _build_locked(
        self,
        version: Version,
        name: str,
        recipe: Recipe,
        source: Path,
        say: Say,
        halt: Halt,
    ) -> Image:
        """Build with the versions of the last time, else with the newest."""
        build = functools.partial(
            self.builder.build,
            name,
            source=source,
            labels=labels_of(version, name, recipe),
            say=say,
            halt=halt,
            cache=cache_of(version, trusted=self.trusts(version)),
        )
        lock = kept_part(self.records.lock(version.repo, name))
        if lock and recipe.ours:
            say("Keeping to the package versions of this commit's last build")
            try:
                return build(replace(recipe, lock=lock))
            except OverLimit:
                raise
            except BuildFailed as error:
                say(f"That is not possible any more ({error.message}); taking the newest")
        return build(recipe)

    def _build(
        self,
        version: Version,
        name: str,
        *,
        recipe: Recipe,
        source: Path,
        fetched: float,
        say: Say,
        ticket: str,
    ) -> Image:
        place, began = self.records.place(name), time.monotonic()
        build = Build(name, version.repo, version.ref, version.commit, time.time(), 0.0, "running")
        write_record(place, build)
        ended = replace(build, outcome="interrupted")
        halt = Halt(wished=(place / CANCEL).exists)
        with LogWriter(place, say) as log:
            try:
                for line in opening(version, name, recipe, fetched):
                    log.write(line)
                self._build_places.wait(ticket, log.write, halt, chosen=(place / CHOSEN).exists)
                image = self._build_locked(version, name, recipe, source, log.write, halt)
                got = self.builder.lock(name)
                # The first one: a network may be down once.
                if got and not self.records.lock(version.repo, name):
                    self.records.keep_lock(version.repo, name, got)
                ended = replace(build, outcome="built")
                return image
            except BuildCancelled as cancelled:
                why = FirstError(cancelled.message, cancelled.hint)
                ended = replace(build.failed(why), outcome="cancelled")
                log.write(cancelled.message, always=True)
                raise
            except EnvError as failed:
                why = self._why(failed, place, source, recipe)
                ended = build.failed(why)
                log.write(f"The build failed: {why.message}", always=True)
                failed.message, failed.hint = why.message, why.hint
                if isinstance(failed, BuildFailed):
                    failed.image = name
                raise
            finally:
                seconds = round(time.monotonic() - began, 3)
                write_record(place, replace(ended, seconds=seconds))

    def _why(self, failed: EnvError, place: Path, source: Path, recipe: Recipe) -> FirstError:
        """The first error of the log; a limit of this server says for itself what it is."""
        said = FirstError(failed.message, failed.hint)
        if isinstance(failed, OverLimit):
            return said
        return explain(read_log_lines(place), failed.message, read_texts(source, recipe)) or said

    @contextlib.contextmanager
    def _turn(self, name: str, say: Say, *, chosen: bool) -> Iterator[float]:
        """Hold the image's lock; since when it was waited for, 0.0 when it was free at once.

        Meanwhile the log of whoever builds is shown. A stranger who waits for a place goes before
        all strangers while one waits for the image whose version is `chosen`.
        """
        place, waited_since = self.records.place(name), 0.0
        with contextlib.closing(LogTail(place / LOG)) as tail:
            while (file := self.records.take(name)) is None:
                waited_since = waited_since or time.time()
                if chosen:  # each time: who has just taken the lock removes what was there before
                    (place / CHOSEN).touch()
                tail.follow(say)
                time.sleep(self.poll)
            if waited_since:
                tail.follow(say)
        with file:
            # Of builds before, and before this one is recorded: from then on it can be cancelled.
            for sign in (CANCEL, CHOSEN):
                (place / sign).unlink(missing_ok=True)
            self.records.keep_interrupted(name)
            yield waited_since


def opening(version: Version, name: str, recipe: Recipe, fetched: float) -> Iterator[str]:
    """The first lines of every build log: what is built from what."""
    yield f"Building {name}"
    yield f"Repository {version.repo} {version.ref or 'default branch'}, commit {version.commit}"
    yield f"Fetched in {fetched:.1f} s"
    if recipe.used:
        yield f"Used: {', '.join(recipe.used)}"
    for path, reason in recipe.ignored:
        yield f"Ignored: {path} ({reason})"
    for sentence in recipe.warnings:
        yield f"Note: {sentence}"


def cache_of(version: Version, *, trusted: bool) -> str:
    """Whose package caches the version's build uses and fills.

    A commit that a link names itself shares them with nobody: git hosts serve the commits of
    every fork by the address of the repository, and anybody can make a fork.
    """
    if trusted:
        return CATALOGUE
    return f"{version.repo}@{version.commit}" if version.kind == "commit" else version.repo


def labels_of(version: Version, name: str, recipe: Recipe) -> dict[str, str]:
    """What the image says of itself; the second half for tools that know repo2docker."""
    return {
        "launcher.env.name": name,
        "launcher.env.repo": version.repo,
        "launcher.env.ref": version.ref,
        "launcher.env.commit": version.commit,
        "launcher.env.kind": recipe.kind,
        "launcher.env.python": recipe.python,
        "repo2docker.repo": version.repo,
        "repo2docker.ref": version.commit,
    }
