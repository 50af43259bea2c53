"""A commit comes into a mirror whole, and a mirror that turns out to be damaged is made anew."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from envs.errors import GitHostDown, HostNotAllowed, OverLimit
from envs.git import Git, GitFailed
from envs.room import Room
from launcher.content.mirror_folder import MirrorFolder
from launcher.content.size import check_ends
from launcher.content.upstream import FetchLimits, Upstream, fetch
from launcher.errors import ContentTooLarge, DiskFull, LaunchError, UnknownBranch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetching:
    """Brings commits into mirrors; callers hold `MirrorFolder.one_fetch`."""

    place: MirrorFolder
    git: Git
    depth: int
    limits: FetchLimits
    room: Room

    def fetch(self, mirror: Path, wanted: Upstream) -> Upstream:
        """Fetch into the mirror; where that fails, into a new one, which replaces it."""
        if self.place.has(mirror, wanted.commit):
            return wanted
        existed = mirror.exists()
        try:
            return self.fetch_into(mirror, wanted)
        except (UnknownBranch, ContentTooLarge, DiskFull):
            raise
        except (LaunchError, GitHostDown, HostNotAllowed, GitFailed):
            # The git host has just answered, so a crash may have left the mirror damaged.
            if not existed:
                raise
        return self.fetch_anew(mirror, wanted)

    def fetch_anew(self, mirror: Path, wanted: Upstream) -> Upstream:
        """Fetch into a new mirror, which replaces this one once that worked."""
        fresh = mirror.with_name(f"{mirror.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            got = self.fetch_into(fresh, wanted)
            with self.place.locked(mirror):
                shutil.rmtree(mirror, ignore_errors=True)  # it may just have been dropped
                fresh.rename(mirror)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return got

    def fetch_into(self, mirror: Path, wanted: Upstream) -> Upstream:
        """Fetch into this mirror, which is made if it is not there; the answer is what came."""
        if not (mirror / "HEAD").exists():
            self.git.run("init", "--quiet", "--bare", "--template=", "--", str(mirror))
        with self.place.locked(mirror):
            for lock in [*mirror.glob("*.lock"), *mirror.glob("refs/**/*.lock")]:
                lock.unlink(missing_ok=True)  # nobody writes in here: we hold the real locks
        incoming = f"refs/launcher/incoming/{os.getpid()}"
        try:
            self.room.ensure(log.info)
            got = fetch(
                *(wanted, wanted.repo, str(mirror)),
                into=incoming,
                depth=self.depth,
                git=self.git,
                limits=self.limits,
                watch=self.room.check,
            )
        except OverLimit as error:
            log.warning("a fetch needs more room: %s", error, extra={"repo": wanted.repo})
            raise DiskFull from error
        check_ends(mirror, got.commit, repo=wanted.repo, git=self.git)
        self.note_commit(mirror, got.commit)
        return got

    def note_commit(self, mirror: Path, commit: str) -> None:
        """Give a commit that is there whole its ref."""
        ref = f"refs/launcher/commits/{commit}"
        with self.place.locked(mirror):
            self.git.run("--git-dir", str(mirror), "update-ref", ref, commit)
