"""What is kept of builds: for each image its log, a record per build, and the packages it got."""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from envs.atomic import write_text
from envs.build import NOW, Build, read_records, write_record
from envs.build_log import LOG, Line, LogWriter, read_log_lines
from envs.build_places import locked
from envs.errors import EnvError
from envs.explain import FirstError
from envs.held import is_at
from envs.image import image_name
from envs.version import Version

LOCK = "lock"
LONGEST = 200
"""Characters of a folder's name; file systems take 255."""


@dataclass(frozen=True)
class Records:
    """Read by pages and commands while builds go on; written by the store."""

    folder: Path

    def place(self, name: str) -> Path:
        """The folder of the image's log, records and lock file."""
        plain = name.replace("/", "_").replace(":", "@")
        if len(plain) > LONGEST:  # no image has such a name, but a visitor may ask for one
            plain = hashlib.sha256(plain.encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / "logs" / plain

    def all(self) -> list[Build]:
        """Every build ever started to its end, oldest first."""
        return read_records(self.folder.glob("logs/*/*.json"))

    def of(self, repo: str) -> list[Build]:
        """The same of one repository."""
        alike = self.place(image_name(repo, "", "")).name.partition("@")[0]
        every = read_records(self.folder.glob(f"logs/{alike}@*/*.json"))
        return [build for build in every if build.repo == repo]

    def last(self, name: str) -> Build | None:
        every = read_records(self.place(name).glob("*.json"))
        return every[-1] if every else None

    def unfinished(self) -> list[Build]:
        """The builds under way, and those whose process was killed, oldest first."""
        found = read_records(self.folder.glob(f"logs/*/{NOW}"))
        return [build for build in map(self._unless_ended, found) if build]

    def _unless_ended(self, build: Build) -> Build | None:
        """The build, read as running, as it is now; None where it has ended meanwhile."""
        if self.is_built(build.name):
            return build
        # Whoever builds removes this record before giving up the lock.
        still = read_records(iter([self.place(build.name) / NOW])) == [build]
        return interrupted(build) if still else None

    def keep_interrupted(self, name: str) -> None:
        """Whoever holds the image's lock may say that a build before was killed, and keep that."""
        for build in read_records(iter([self.place(name) / NOW])):
            write_record(self.place(name), interrupted(build))

    def newest(self, name: str) -> Build | None:
        """The build of the image that is under way, else the last one."""
        now = read_records(iter([self.place(name) / NOW]))
        last = self.last(name)
        if not now or (last and last.started >= now[0].started):
            return last
        return self._unless_ended(now[0]) or self.last(name)

    def log(self, name: str) -> str:
        """The log of the image's newest build, empty if it was never built here."""
        try:
            return (self.place(name) / LOG).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def log_lines(self, name: str) -> tuple[Line, ...]:
        """The same with the time of each line."""
        return read_log_lines(self.place(name))

    def lock(self, repo: str, name: str) -> str:
        """The packages of the first build of the image's commit, empty if there is none."""
        try:
            return self._lock_file(repo, name).read_text("utf-8")
        except FileNotFoundError:
            return ""

    def _lock_file(self, repo: str, name: str) -> Path:
        """One for all images of a commit: a new base or builder keeps to its versions, too.

        And one for each address: a fork has the same commits and the same name, and may have
        built them with anything.
        """
        commit, _, _hash = name.rpartition("-")
        mark = hashlib.sha256(repo.encode()).hexdigest()[:12]
        return self.folder / "locks" / f"{commit.replace('/', '_').replace(':', '@')}-{mark}.txt"

    def keep_lock(self, repo: str, name: str, text: str) -> None:
        """Keep the packages that the image got."""
        path = self._lock_file(repo, name)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_text(path, text, durable=True)

    def note_refusal(self, version: Version, error: EnvError) -> None:
        """A build that never began has a record, too; one while it says the same.

        Where it cannot be written, that it was refused is still what whoever clicked must hear.
        """
        name = image_name(version.repo, version.commit, "refused")
        with contextlib.suppress(OSError):
            file = self.take(name)
            if file:  # else another click of the class notes it
                with file:
                    self._note_refusal(name, version, error)

    def _note_refusal(self, name: str, version: Version, error: EnvError) -> None:
        last, place = self.last(name), self.place(name)
        if last and last.hint == error.hint and error.message.endswith(last.sentence):
            return
        build = Build(name, version.repo, version.ref, version.commit, time.time(), 0.0, "running")
        with LogWriter(place, lambda line: None) as log:
            log.write(f"Repository {version.repo} {version.ref}, commit {version.commit}")
            log.write(f"The build failed: {error.message}", always=True)
        placed = re.fullmatch(r"(\S+) line (\d+): (.*)", error.message, re.DOTALL)
        why = FirstError(error.message, error.hint)
        if placed:
            why = FirstError(placed[3], error.hint, placed[1], int(placed[2]))
        write_record(place, build.failed(why))

    def take(self, name: str) -> IO[str] | None:
        """The image's lock, until it is closed; None while somebody else has it.

        The folder may be removed at any time by whoever has the lock, and the lock with it.
        """
        path = self.place(name) / LOCK
        # FileExistsError: Python found the folder there, and a moment later gone.
        gone = contextlib.suppress(FileNotFoundError, FileExistsError)
        with contextlib.ExitStack() as opened, gone:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = opened.enter_context(path.open("w"))
            if locked(file) and is_at(file, path):
                opened.pop_all()
                return file
        return None

    def remove(self, name: str, *, before: float) -> bool:
        """Remove the image's log and records; False if it was built after `before`, or is now.

        The lock of its packages stays: the same commit is built with them again.
        """
        file = self.take(name)
        if file is None:
            return False
        with file:
            newest = self.newest(name)
            if newest and newest.ended >= before:
                return False
            gone = self.folder / f".gone-{uuid.uuid4().hex[:12]}"
            self.place(name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        return True

    def is_built(self, name: str) -> bool:
        """True while some process builds the image: then it holds the image's lock."""
        try:
            with (self.place(name) / LOCK).open("r") as file:
                return not locked(file)
        except FileNotFoundError:
            return False


def interrupted(build: Build) -> Build:
    """A build whose process was killed, as far as it is known."""
    return replace(build, outcome="interrupted", error="The build was interrupted.")
