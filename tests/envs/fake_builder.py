"""A builder whose images are files; small enough to read, slow enough to be interrupted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from envs.errors import BuildFailed
from envs.halt import NO_HALT
from envs.image import Image
from tests.waiting import wait_for


def at_once() -> bool:
    return True


@dataclass
class FileBuilder:
    folder: Path
    lines: int = 3
    pause: float = 0.0
    goes_on: Callable[[], object] = at_once
    """After each line a build waits until this is true."""
    kind: str = "fake"
    bases: None = None
    packages: str = ""
    locks: list = field(default_factory=list)
    """What each build was to keep to."""
    caches: list = field(default_factory=list)
    """Whose caches each build used."""

    def plan(self, recipe, source):
        return repr(recipe)

    def dockerfile(self, recipe, *, source):
        return ""

    def _file(self, name):
        return self.folder / name.replace("/", "_")

    def find_image(self, name):
        return Image(name) if self._file(name).exists() else None

    def list_images(self):
        return [Image(path.name) for path in self.folder.iterdir()]

    def build(self, name, recipe, *, source, labels, say, halt=NO_HALT, cache=""):
        with (self.folder / "builds.txt").open("a") as file:
            file.write(name + "\n")
        for number in range(self.lines):
            say(f"line {number}")
            time.sleep(self.pause)
            wait_for(self.goes_on, 60, every=0.01)
            halt.check()
        if recipe.requirements and "broken" in (source / recipe.requirements).read_text():
            raise BuildFailed("broken is not a package")
        self.locks.append(recipe.lock)
        self.caches.append(cache)
        if "gone==1" in recipe.lock:
            raise BuildFailed("gone 1 was withdrawn")
        self._file(name).write_text("built")
        return Image(name)

    def remove_image(self, name):
        self._file(name).unlink(missing_ok=True)

    def sweep(self, *, older, cache, dry_run):
        return []

    def lock(self, name):
        return self.packages if self._file(name).exists() else ""

    def count(self):
        """How many builds were begun."""
        path = self.folder / "builds.txt"
        return len(path.read_text().splitlines()) if path.exists() else 0
