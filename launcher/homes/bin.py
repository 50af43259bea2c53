"""Removed folders of students: out of the way, and kept for some days in case it was a mistake."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from launcher.errors import LaunchError
from launcher.homes.home import Homes
from launcher.homes.removal import remove_tree

log = logging.getLogger(__name__)


class NotMoved(LaunchError):
    """A folder could not be moved into the bin, or out of it. It is where it was."""


@dataclass(frozen=True)
class Binned:
    """One removed folder, with the notes on what was pulled into it."""

    id: str
    student: str
    course: str
    at: float
    """Unix seconds."""
    why: str


@dataclass(frozen=True)
class Bin:
    """Folders come and go by a rename: whole, or not at all."""

    folder: Path
    """On the same filesystem as the homes."""
    homes: Homes

    def put(self, student: str, course: str, *, why: str) -> Binned:
        """Move the student's folder for the course in here. No session may use it.

        :raises NotMoved: it stays where it is.
        """
        home = self.homes.path(student, course)
        at = time.time()
        name = f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(at))}-{secrets.token_hex(4)}"
        made = Binned(name, student, course, at, why)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place, fresh = self.folder / made.id, self.folder / f".new-{made.id}"
        try:
            fresh.mkdir(mode=0o700)
            (fresh / "about.json").write_text(json.dumps(asdict(made)), "utf-8")
            fresh.rename(place)
            home.rename(place / "home")
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if not (place / "home").exists():
                shutil.rmtree(place, ignore_errors=True)
            raise NotMoved(
                f"The folder of {course} could not be removed: {error.strerror}.",
                hint="It is untouched. Tell the person who runs this server.",
            ) from error
        for note in self.homes.notes(student, course):
            note.rename(place / note.name)
        with contextlib.suppress(OSError):  # other courses are in it
            home.parent.rmdir()
        return made

    def all(self) -> list[Binned]:
        """What can be brought back, oldest first."""
        found = [read(place) for place in self.folder.glob("[0-9]*")]
        return sorted((one for one in found if one), key=lambda one: one.at)

    def restore(self, name: str) -> Binned:
        """Bring a folder back to its student.

        :raises NotMoved: there is none, or the student has a new folder for this course.
        """
        found = next((one for one in self.all() if one.id == name), None)
        if found is None:
            raise NotMoved(f"There is no {name!r} in the bin.", hint="See `launcher home bin`.")
        home, place = self.homes.path(found.student, found.course), self.folder / found.id
        if os.path.lexists(home):
            raise NotMoved(
                f"The student has a new folder for {found.course}.",
                hint=f"Move that one away first, or copy files out of {place / 'home'}.",
            )
        try:
            home.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            for note in place.glob(".delivered-*"):
                note.rename(home.with_name(note.name))
            # It counts as used now, or the next look for unused folders would bin it again.
            os.utime(place / "home", follow_symlinks=False)
            (place / "home").rename(home)
        except OSError as error:
            self._take_notes_back(found, place)
            raise NotMoved(
                f"The folder of {found.course} could not be brought back: {error.strerror}.",
                hint=f"It is untouched in {place}.",
            ) from error
        shutil.rmtree(place, ignore_errors=True)
        return found

    def _take_notes_back(self, found: Binned, place: Path) -> None:
        """A note without its folder would say that the course files were there."""
        with contextlib.suppress(OSError):
            for note in self.homes.notes(found.student, found.course):
                note.rename(place / note.name)

    def empty(self, *, older: float) -> list[Binned]:
        """Remove for good what has been here for `older` seconds."""
        due = [one for one in self.all() if time.time() - one.at > older]
        for one in due:
            (self.folder / one.id).rename(self.folder / f".gone-{one.id}")
        for place in self.folder.glob(".gone-*"):  # also those of a launcher that was killed
            if why := remove_tree(place):
                log.warning("stays in the bin: %s", why, extra={"path": place.name})
        return due


def read(place: Path) -> Binned | None:
    """None for what has no folder in it: it was never moved in, or went back."""
    if not re.fullmatch(r"[\w-]+", place.name) or not (place / "home").is_dir():
        return None
    try:
        return Binned(**json.loads((place / "about.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
