"""One copy of each content repository on the host: a whole class asks the git host once."""

from __future__ import annotations

import functools
import hashlib
import logging
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from envs.errors import BadEnvironment, EnvError, GitHostDown, HostNotAllowed
from envs.git import Git, GitFailed
from envs.room import ROOMY, Room
from launcher.content.clone import BASE_REF, STUDENT, make_clone, once
from launcher.content.fetching import Fetching
from launcher.content.listing import Listing, ListsOfFiles
from launcher.content.mirror_folder import MirrorFolder
from launcher.content.packs import shallow_commits, write_pack
from launcher.content.shape import Shape, outermost, shape_commit
from launcher.content.size import NO_SIZE_LIMIT, SizeLimits, check_size
from launcher.content.upstream import (
    COMMIT,
    NO_LIMIT,
    FetchLimits,
    Upstream,
    ask,
    fetch_local,
    pick,
)
from launcher.errors import (
    ContentFailed,
    ContentNotFound,
    ContentTooLarge,
    DiskFull,
    LaunchError,
)

log = logging.getLogger(__name__)

ShapeKey = tuple[str, str, tuple[str, ...] | None]
"""Repository, commit, and the folders that students get, None for all."""
DOWN = 20.0
"""Seconds in which nobody waits for a host that did not answer, where there is a copy."""
REFUSED = 600.0
"""Seconds in which a submodule that is missing, private or too large is not asked for again."""
SILENT = "The git server does not answer"
FULL = "This server's disk is full, so the newest course files cannot come"
"""Why there is only a copy, for students."""


@dataclass
class Flight:
    """One question to the git host, and everybody who waits for its answer."""

    answer: Future[Upstream] = field(default_factory=Future)
    began: float = field(default_factory=time.monotonic)


@dataclass
class Mirrors:
    """All mirrors, in one folder that only the launcher can read."""

    folder: Path
    git: Git
    depth: int = 1
    """Commits of history; 0 is all of it."""
    limits: FetchLimits = NO_LIMIT
    size: SizeLimits = NO_SIZE_LIMIT
    room: Room = ROOMY
    """What a fetch leaves on the disk."""
    fresh: float = 0.0
    """Seconds from a question to the git host in which others get the same answer."""
    _shapes: dict[ShapeKey, Shape] = field(default_factory=dict)
    _lists: ListsOfFiles = field(default_factory=ListsOfFiles)
    _flights: dict[tuple[str, str], Flight] = field(default_factory=dict)
    _down: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each host last did not answer, in monotonic seconds."""
    _missed: dict[tuple[str, str], float] = field(default_factory=dict)
    """Until when a commit of a submodule is not asked for again, in monotonic seconds."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def place(self) -> MirrorFolder:
        """Where they are on the disk."""
        return MirrorFolder(self.folder)

    @property
    def listing(self) -> Listing:
        """What their commits hold."""
        return Listing(self.place, self.git, self._lists, self.make_again)

    @property
    def _fetching(self) -> Fetching:
        return Fetching(self.place, self.git, self.depth, self.limits, self.room)

    def refresh(self, repo: str, branch: str = "") -> Upstream:
        """The newest commit that `branch` names; empty is the default branch.

        Many callers at once share one question to the git host, and one fetch.

        :raises ContentNotFound: the repository is missing or private, or no git address.
        :raises UnknownBranch: no branch, tag or commit of this name.
        :raises GitHostDown: the git host is down and there is no copy.
        :raises HostNotAllowed: it may not be asked.
        :raises DiskFull: there is no room to fetch it, and there is no copy.
        :raises ContentFailed: git cannot fetch it, or the copy cannot be written.
        """
        flight, mine = self._flight((repo, branch))
        if mine:
            self._fly((repo, branch), flight)
        return flight.answer.result()

    def _flight(self, key: tuple[str, str]) -> tuple[Flight, bool]:
        """The question that is under way or fresh, or a new one, which is the caller's to ask."""
        with self._guard:
            flight = self._flights.get(key)
            if flight and not flight.answer.done():
                return flight, False
            if flight and time.monotonic() - flight.began < self.fresh:
                return flight, False
            flight = self._flights[key] = Flight()
            return flight, True

    def _fly(self, key: tuple[str, str], flight: Flight) -> None:
        try:
            flight.answer.set_result(self._refresh(*key))
        except BaseException as error:
            with self._guard:
                del self._flights[key]
            flight.answer.set_exception(error)

    def _refresh(self, repo: str, branch: str) -> Upstream:
        self._check(repo)
        mirror = self.place.mirror(repo)
        self.place.note_use(mirror)
        try:
            try:
                found = pick(repo, branch, ask(repo, git=self.git), time.time())
            except GitHostDown:  # a fetch may fail here, too: on a full disk
                self._down[repo, branch] = time.monotonic()
                raise
            if not self.place.has(mirror, found.commit):
                with self.place.one_fetch(mirror):
                    found = self._fetching.fetch(mirror, found)
            self.place.remember(mirror, branch, found)
            self._down.pop((repo, branch), None)
        except (GitHostDown, HostNotAllowed, GitFailed) as error:  # it may lead on to another host
            return self._last_copy(repo, branch, error)
        except DiskFull:
            copy = self.find_copy(repo, branch)
            if copy is None:
                raise
            return replace(copy, why=FULL)
        except OSError as error:
            said = f"The server's copy of the course files cannot be written: {error.strerror}."
            raise ContentFailed(said, hint="Tell the person who runs this server.") from error
        return found

    def _check(self, repo: str) -> None:
        try:
            self.git.check_url(repo)
        except BadEnvironment as error:
            raise ContentNotFound(error.message, hint=error.hint) from error
        except HostNotAllowed as error:
            error.field = "repo"
            raise

    def find_copy(self, repo: str, branch: str = "") -> Upstream | None:
        """What the git host said when it last answered, marked as stale; asks nobody."""
        last = self.place.recall(self.place.mirror(repo), branch)
        if last is None:
            return None
        why = SILENT if self.was_down(repo, branch) else ""
        return replace(last, stale=True, why=why)

    def was_down(self, repo: str, branch: str = "") -> bool:
        """True where the git host did not answer a moment ago."""
        return time.monotonic() - self._down.get((repo, branch), -math.inf) < DOWN

    def _last_copy(self, repo: str, branch: str, error: Exception) -> Upstream:
        copy = self.find_copy(repo, branch)
        if copy:
            return copy
        if isinstance(error, EnvError):
            error.field = "repo"
            raise error
        raise ContentFailed(str(error), hint="Try again in a minute.") from error

    def make_again(self, upstream: Upstream) -> None:
        """Fetch a mirror that is damaged from its git host; the old one stays until that worked.

        :raises ContentFailed: the git host does not give the commit.
        """
        mirror, wanted = self.place.mirror(upstream.repo), upstream.of or upstream.commit
        log.warning("a copy of a repository is damaged: fetching it again", extra={"at": mirror})
        with self.place.one_fetch(mirror):
            try:
                self._fetching.fetch_anew(mirror, replace(upstream, commit=wanted, of="", notes=()))
            except (LaunchError, EnvError, GitFailed, OSError) as error:
                raise ContentFailed(
                    "The server's copy of the course files is damaged, and there is no other now.",
                    hint=getattr(error, "hint", "") or "Try again in a minute.",
                ) from error

    def files(self, upstream: Upstream) -> list[str]:
        """Every file of the commit; one whose name is no text is left out."""
        return self.listing.files(upstream)

    def holds(self, repo: str, commit: str) -> bool:
        """True when the mirror has this commit whole."""
        mirror = self.place.mirror(repo)
        return bool(COMMIT.fullmatch(commit)) and self.place.has(mirror, commit)

    def shape(self, upstream: Upstream, only: Sequence[str] = ()) -> Upstream:
        """What students get of the commit: the folders `only`, none for all; submodules filled in.

        A folder that upstream gave up is left out, and nothing else comes in its place.

        :raises ContentTooLarge: it is more than the settings allow.
        """
        mirror = self.place.mirror(upstream.repo)
        folders = None
        if only:
            has = functools.partial(self.listing.has_path, upstream, folder=True)
            folders = tuple(filter(has, outermost(only)))
        key = (upstream.repo, upstream.commit, folders)
        known = self._shaped(mirror, key)
        if known is None:
            # A class asks at once: one of them does it, and waits for no fetch.
            with self.place.locked(mirror / "shape"):
                known = self._shaped(mirror, key) or self._shape(mirror, upstream, folders)
            if known.complete:
                self._shapes[key] = known
        if known.commit == upstream.commit:
            return upstream
        return replace(upstream, commit=known.commit, of=upstream.commit, notes=known.notes)

    def _shaped(self, mirror: Path, key: ShapeKey) -> Shape | None:
        known = self._shapes.get(key)
        return known if known and self.place.has(mirror, known.commit) else None

    def _shape(self, mirror: Path, upstream: Upstream, only: tuple[str, ...] | None) -> Shape:
        """Make the commit; nobody else does now."""
        made = shape_commit(
            mirror,
            upstream.commit,
            repo=upstream.repo,
            only=only,
            bring=lambda repo, commit: self._bring(mirror, repo, commit),
            git=self.git,
        )
        check_size(mirror, made.commit, self.size, repo=upstream.repo, git=self.git)
        self._fetching.note_commit(mirror, made.commit)
        return made

    def _bring(self, mirror: Path, repo: str, commit: str) -> None:
        """Fetch a submodule's commit.

        What failed is not tried again at once: a class clicks, and one after the other would wait.
        """
        if self.place.has(mirror, commit):
            return
        if time.monotonic() < self._missed.get((repo, commit), -math.inf):
            raise ContentFailed(f"{repo} could not be fetched a moment ago.")
        try:
            wanted = Upstream(repo, commit, commit, time.time(), kind="commit")
            with self.place.one_fetch(mirror):
                self._fetching.fetch_into(mirror, wanted)
        except (EnvError, LaunchError, GitFailed) as error:
            lasts = isinstance(error, ContentNotFound | ContentTooLarge)
            now = time.monotonic()
            with self._guard:
                self._missed = {key: until for key, until in self._missed.items() if until > now}
                self._missed[repo, commit] = now + (REFUSED if lasts else DOWN)
            raise

    def prepared_clone(self, upstream: Upstream) -> Path:
        """A clone of the commit, made once and never changed: copy it to a student.

        On a branch of the upstream's name, with the public address as origin, no hooks, no
        credentials; the copier sets the owner.
        """
        name = hashlib.sha256(f"{upstream.kind} {upstream.ref}".encode()).hexdigest()[:8]
        target = self.place.beside(upstream.repo, "clones") / f"{upstream.commit}-{name}"
        mirror = self.place.mirror(upstream.repo)

        def bring(folder: Path) -> Upstream:
            fetch_local(
                upstream.commit, mirror, folder, into=BASE_REF, depth=self.depth, git=self.git
            )
            return upstream

        def make() -> None:
            with self.place.locked(target):
                if not target.exists():
                    make_clone(upstream, target, bring, git=self.git, owner=STUDENT)

        return once(target, make)

    def pack(self, upstream: Upstream, have: str | None) -> Path:
        """The objects of the commit that a clone with the commit `have` lacks, as a pack file."""
        mirror = self.place.mirror(upstream.repo)
        known = have if have and self.place.has(mirror, have) else None
        folder = self.place.beside(upstream.repo, "packs")
        target = folder / f"{upstream.commit}-{known or 'all'}.pack"

        def make() -> None:
            with self.place.locked(target):
                if not target.exists():
                    write_pack(mirror, upstream.commit, known, target, git=self.git)

        return once(target, make)

    def shallow(self, upstream: Upstream) -> list[str]:
        """The commits where the history that students get ends."""
        return shallow_commits(self.place.mirror(upstream.repo), upstream.commit, git=self.git)
