"""The folder of all mirrors: what is where, who may write there, and when it was last used."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envs.atomic import write_text
from launcher.content.upstream import Upstream

KINDS = ("mirrors", "clones", "packs")
"""What the folder holds of each repository; all but the first is made of the first."""
NOTE = "launcher.json"
"""In a mirror: what the git host said, and by its time when that was last asked for."""


@dataclass(frozen=True)
class MirrorFolder:
    """Only the launcher can read it."""

    folder: Path

    def mirror(self, repo: str) -> Path:
        """Where the mirror of a repository is, or would be."""
        return self.beside(repo, "mirrors")

    def beside(self, repo: str, kind: str) -> Path:
        """The same for another one of `KINDS`."""
        return self.folder / kind / self.name_of(repo)

    def name_of(self, repo: str) -> str:
        """What the folders of this repository are called, in each of `KINDS`."""
        plain = repo.strip().rstrip("/")
        last = re.sub(r"[^\w.-]+", "-", plain.rsplit("/", 1)[-1])[:40].strip(".-")
        return f"{last}-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"

    def has(self, mirror: Path, commit: str) -> bool:
        """A commit gets its ref when all of it has come; refs are never packed here."""
        return (mirror / "refs/launcher/commits" / commit).exists()

    def remember(self, mirror: Path, branch: str, found: Upstream) -> None:
        """Note what the git host said of the branch."""
        with self.locked(mirror):
            path = mirror / NOTE
            known = {}
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(path.read_text("utf-8"))
            known[branch] = found.__dict__
            write_text(path, json.dumps(known))

    def recall(self, mirror: Path, branch: str) -> Upstream | None:
        """What the git host last said of the branch, if that commit is there; it counts as used."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            rows = json.loads((mirror / NOTE).read_text("utf-8"))
            named = Upstream(**rows[branch])
            known = [Upstream(**row) for row in rows.values()]
            same = [one for one in known if (one.kind, one.ref) == (named.kind, named.ref)]
            last = max(same, key=lambda one: one.fetched)  # `main` may also be the default branch
            if self.has(mirror, last.commit):
                self.note_use(mirror)
                return last
        return None

    def note_use(self, mirror: Path) -> None:
        """What was used last stays when room is made."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(mirror / NOTE)

    def used(self, name: str) -> float:
        """When a mirror was last asked for, in Unix seconds."""
        mirror = self.folder / "mirrors" / name
        for one in (mirror / NOTE, mirror):
            with contextlib.suppress(FileNotFoundError):
                return one.stat().st_mtime
        return 0.0

    def drop(self, name: str, *, before: float) -> bool:
        """Remove a mirror and what was made of it, unless it is or was in use since `before`.

        Whoever needs it all the same a moment later fetches it anew.
        """
        mirror = self.folder / "mirrors" / name
        gone = mirror.with_name(f"{name}.new")  # what a kill leaves of it is removed as well
        with contextlib.ExitStack() as held:
            try:
                for place in (mirror / "fetch", mirror, mirror / "shape"):
                    held.enter_context(self.locked(place, wait=False))
            except BlockingIOError:
                return False
            if self.used(name) > before:
                return False
            shutil.rmtree(gone, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                mirror.rename(gone)
        for folder in (gone, *(self.folder / kind / name for kind in KINDS[1:])):
            shutil.rmtree(folder, ignore_errors=True)
        return True

    def one_fetch(self, mirror: Path) -> contextlib.AbstractContextManager[None]:
        """One fetch at a time; it may take long, so it is not what keeps others from writing."""
        return self.locked(mirror / "fetch")

    @contextlib.contextmanager
    def locked(self, place: Path, *, wait: bool = True) -> Iterator[None]:
        """One process and thread at a time for this place.

        :raises BlockingIOError: another one has it, and `wait` is False.
        """
        locks = self.folder / "locks"
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(str(place).encode()).hexdigest()[:24]
        with open(locks / name, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
