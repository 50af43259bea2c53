"""Students that programs are at `/build`: without a cookie nobody comes back for their files.

Only folders of names that `new_guest` made are ever removed here.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from launcher.cleanup.cleanup import Removed
from launcher.homes.removal import remove_tree
from launcher.people.identity import is_guest
from launcher.sessions.history import Remembered
from launcher.sessions.sessions import Sessions

log = logging.getLogger(__name__)

EVERY = 1800.0
"""Seconds between two looks."""


@dataclass(frozen=True)
class Guests:
    """Removes the homes of guests some time after their last session."""

    sessions: Sessions
    life: float
    """Seconds after the end of a guest's last session; 0 keeps all."""

    def remove_old(self) -> list[Removed]:
        """Remove what is older than that; a guest with a session is left alone."""
        if not self.life:
            return []
        folders = [one for one in self.sessions.homes.folder.glob("guest-*") if is_guest(one.name)]
        if not folders:
            return []
        known: dict[str, list[Remembered]] = {}
        for one in self.sessions.history.all():
            known.setdefault(one.owner, []).append(one)
        old = time.time() - self.life
        return [
            Removed("guest", folder.name)
            for folder in folders
            if last_used(folder, rows := known.get(folder.name, [])) < old
            and self.remove(folder, courses_of(folder, rows))
        ]

    def remove(self, folder: Path, courses: Sequence[str]) -> bool:
        """Remove all that the guest had, while no launch can begin for it."""
        guest, turns = folder.name, self.sessions.turns
        with contextlib.ExitStack() as taken:
            if not all(taken.enter_context(turns.if_free(guest, one)) for one in courses):
                return False
            # Looked at with the turns in hand: a session that starts now is seen, or waits.
            if self.sessions.of(guest):
                return False
            try:
                for course in courses:
                    self.sessions.runtime.forget_home(guest, course)
                why = remove_tree(folder)
            except OSError as error:
                why = str(error)
            if why:
                log.warning("a guest's files cannot be removed: %s", why)
            return not why


def last_used(folder: Path, rows: Sequence[Remembered]) -> float:
    """When the newest session began or ended, or the folder was made."""
    return max([folder.lstat().st_mtime, *(max(one.started, one.ended) for one in rows)])


def courses_of(folder: Path, rows: Sequence[Remembered]) -> list[str]:
    there = {one.name for one in folder.iterdir() if one.is_dir() and one.name[0] != "."}
    return sorted(there | {one.course for one in rows})
