"""The room on disk that builds and fetches leave: a full disk stops sessions, too."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from envs.builder import Say
from envs.errors import OverLimit
from envs.sizes import human


def nowhere() -> Sequence[Path]:
    return ()


def nothing() -> None:
    pass


@dataclass(frozen=True)
class Room:
    """At least `least` bytes must be free where `folders` are."""

    least: int = 0
    folders: Callable[[], Sequence[Path]] = nowhere
    tidy: Callable[[], object] = nothing
    """Frees what nobody would miss, such as caches; tried once."""
    setting: str = "builds.min_free"

    def shortage(self) -> tuple[Path, int] | None:
        """The folder that has too little room, and its free bytes."""
        for folder in self.folders() if self.least else ():
            free = shutil.disk_usage(standing(folder)).free
            if free < self.least:
                return folder, free
        return None

    def ensure(self, say: Say) -> None:
        """:raises OverLimit: too little is free, also without the caches."""
        short = self.shortage()
        if short:
            say("There is little room on the disk; removing what can be made again")
            self.tidy()
        self.check()

    def check(self) -> None:
        """:raises OverLimit: too little is free now."""
        short = self.shortage()
        if short:
            folder, free = short
            raise OverLimit(
                f"There is too little room to build: {human(free)} are free in {folder}, "
                f"and {human(self.least)} are left for sessions.",
                hint=f"Run `launcher env gc`, make room on that disk, or lower {self.setting}.",
            )


def standing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    return next(one for one in (folder, *folder.parents) if one.exists())


ROOMY = Room()
"""Does not look."""
