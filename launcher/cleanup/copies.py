"""Mirrors that no student's folder came from: of links that were only looked at or tried.

What a student's folder came from stays: the next pull may need the commit that it was given.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from launcher.content.clone import remove_unused
from launcher.content.mirror_folder import KINDS, MirrorFolder
from launcher.homes import disk

RECENT = 3600.0
"""Seconds after its last use in which a mirror stays: a launch may go on for a while."""

MINUTE = 60.0


@dataclass(frozen=True)
class Copy:
    """What this server holds of one content repository."""

    name: str
    used: float
    """Unix seconds."""
    size: int
    """Bytes."""


@dataclass
class Copies:
    """Makes room among the mirrors."""

    place: MirrorFolder
    data: Path
    """Where students' folders are, and the bin."""
    keep: int
    """Bytes that mirrors which no student's folder came from may take in all."""
    _made_room: float = -math.inf
    """Monotonic seconds."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def remove(self, *, keep: int | None = None, dry_run: bool = False) -> list[Copy]:
        """Remove those used longest ago until the others take no more than `keep`."""
        found = self.spare()
        left = sum(one.size for one in found)
        before = time.time() - RECENT
        gone = []
        for one in found:
            if left <= (self.keep if keep is None else keep) or one.used > before:
                break
            if dry_run or self.place.drop(one.name, before=before):
                gone.append(one)
                left -= one.size
        if not dry_run:
            self._remove_prepared()
        return gone

    def make_room(self) -> None:
        """The disk is full: all go that can be fetched again.

        Once a minute: a class clicks all the same, and every mirror is measured.
        """
        with self._guard:  # who comes meanwhile has the room that is made
            if time.monotonic() - self._made_room > MINUTE:
                self.remove(keep=0)
                self._made_room = time.monotonic()

    def spare(self) -> list[Copy]:
        """The mirrors that no student's folder came from, the one used longest ago first."""
        needed = self.needed()
        names = {
            folder.name
            for kind in KINDS
            for folder in (self.place.folder / kind).glob("*")
            if folder.suffix != ".new" and folder.name not in needed
        }
        found = [Copy(name, self.place.used(name), self._size(name)) for name in names]
        return sorted(found, key=lambda one: (one.used, one.name))

    def needed(self) -> set[str]:
        """Of the repositories in students' folders, those in the bin included."""
        return {self.place.name_of(repo) for repo in self._delivered()}

    def _delivered(self) -> Iterator[str]:
        for where in ("homes", "bin"):
            for note in self.data.glob(f"{where}/*/.delivered-*.json"):
                try:
                    repo = json.loads(note.read_text("utf-8"))["repo"]
                except (OSError, ValueError, KeyError, TypeError):
                    continue  # a pull makes nothing of it, too
                if isinstance(repo, str):
                    yield repo

    def _size(self, name: str) -> int:
        return sum(disk.used(self.place.folder / kind / name) or 0 for kind in KINDS)

    def _remove_prepared(self) -> None:
        """Clones and packs that nobody asked for in a week; they are made of mirrors again."""
        for kind in KINDS[1:]:
            for folder in (self.place.folder / kind).glob("*"):
                remove_unused(folder)
