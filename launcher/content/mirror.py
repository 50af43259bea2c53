"""One copy of each content repository on the host: a whole class asks the git host once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import math
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path

from envs.errors import BadEnvironment, EnvError, GitHostDown, HostNotAllowed, OverLimit
from envs.git import MOST, Git, GitFailed
from envs.room import ROOMY, Room
from launcher.content.clone import BASE_REF, STUDENT, make_clone, once
from launcher.content.packs import shallow_commits, write_pack
from launcher.content.shape import Shape, outermost, shape_commit
from launcher.content.size import NO_SIZE_LIMIT, SizeLimits, check_ends, check_size, sizes_of
from launcher.content.upstream import (
    NO_LIMIT,
    FetchLimits,
    Upstream,
    ask,
    fetch,
    fetch_local,
    pick,
)
from launcher.errors import (
    ContentFailed,
    ContentNotFound,
    ContentTooLarge,
    DiskFull,
    LaunchError,
    UnknownBranch,
)

log = logging.getLogger(__name__)


@dataclass
class Flight:
    """One question to the git host, and everybody who waits for its answer."""

    answer: Future[Upstream] = field(default_factory=Future)
    began: float = field(default_factory=time.monotonic)


ShapeKey = tuple[str, str, tuple[str, ...] | None]
"""Repository, commit, and the folders that students get, None for all."""
LISTED = MOST
"""Bytes of the lists of files that are remembered: memory is for sessions. Any one fits."""
KINDS = ("mirrors", "clones", "packs")
"""What the folder holds of each repository; all but the first is made of the first."""
NOTE = "launcher.json"
"""In a mirror: what the git host said, and by its time when that was last asked for."""
DOWN = 20.0
"""Seconds in which nobody waits for a host that did not answer, where there is a copy."""
REFUSED = 600.0
"""Seconds in which a submodule that is missing, private or too large is not asked for again."""
SILENT = "The git server does not answer"
FULL = "This server's disk is full, so the newest course files cannot come"
"""Why there is only a copy, for students."""


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
    _shapes: dict[ShapeKey, Shape] = field(default_factory=dict)
    fresh: float = 0.0
    """Seconds from a question to the git host in which others get the same answer."""
    _files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """The names of the files of a commit, each between two zero bytes."""
    _flights: dict[tuple[str, str], Flight] = field(default_factory=dict)
    _down: dict[tuple[str, str], float] = field(default_factory=dict)
    """When each host last did not answer, in monotonic seconds."""
    _missed: dict[tuple[str, str], float] = field(default_factory=dict)
    """Until when a commit of a submodule is not asked for again, in monotonic seconds."""
    _guard: threading.Lock = field(default_factory=threading.Lock)

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
        mirror = self._mirror(repo)
        note_use(mirror)
        try:
            try:
                found = pick(repo, branch, ask(repo, git=self.git), time.time())
            except GitHostDown:  # a fetch may fail here, too: on a full disk
                self._down[repo, branch] = time.monotonic()
                raise
            if not self._has(mirror, found.commit):
                with self._fetching(mirror):
                    found = self._fetch(mirror, found)
            self._remember(mirror, branch, found)
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

    def _fetch(self, mirror: Path, wanted: Upstream) -> Upstream:
        """Fetch into the mirror; where that fails, into a new one, which replaces it."""
        if self._has(mirror, wanted.commit):
            return wanted
        existed = mirror.exists()
        try:
            return self._fetch_into(mirror, wanted)
        except (UnknownBranch, ContentTooLarge, DiskFull):
            raise
        except (LaunchError, GitHostDown, HostNotAllowed, GitFailed):
            # The git host has just answered, so a crash may have left the mirror damaged.
            if not existed:
                raise
        return self._fetch_anew(mirror, wanted)

    def _fetch_anew(self, mirror: Path, wanted: Upstream) -> Upstream:
        fresh = mirror.with_name(f"{mirror.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            got = self._fetch_into(fresh, wanted)
            with self._locked(mirror):
                shutil.rmtree(mirror, ignore_errors=True)  # it may just have been dropped
                fresh.rename(mirror)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return got

    def _fetch_into(self, mirror: Path, wanted: Upstream) -> Upstream:
        if not (mirror / "HEAD").exists():
            self.git.run("init", "--quiet", "--bare", "--template=", "--", str(mirror))
        with self._locked(mirror):
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
        self._note_commit(mirror, got.commit)
        return got

    def _note_commit(self, mirror: Path, commit: str) -> None:
        """Give a commit that has come whole its ref."""
        ref = f"refs/launcher/commits/{commit}"
        with self._locked(mirror):
            self.git.run("--git-dir", str(mirror), "update-ref", ref, commit)

    def shape(self, upstream: Upstream, only: Sequence[str] = ()) -> Upstream:
        """What students get of the commit: the folders `only`, none for all; submodules filled in.

        A folder that upstream gave up is left out, and nothing else comes in its place.

        :raises ContentTooLarge: it is more than the settings allow.
        """
        mirror = self._mirror(upstream.repo)
        folders = None
        if only:
            kept = outermost(only)
            folders = tuple(one for one in kept if self.has_path(upstream, one, folder=True))
        key = (upstream.repo, upstream.commit, folders)
        known = self._shaped(mirror, key)
        if known is None:
            # A class asks at once: one of them does it, and waits for no fetch.
            with self._locked(mirror / "shape"):
                known = self._shaped(mirror, key) or self._shape(mirror, upstream, folders)
            if known.complete:
                self._shapes[key] = known
        if known.commit == upstream.commit:
            return upstream
        return replace(upstream, commit=known.commit, of=upstream.commit, notes=known.notes)

    def _shaped(self, mirror: Path, key: ShapeKey) -> Shape | None:
        known = self._shapes.get(key)
        return known if known and self._has(mirror, known.commit) else None

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
        self._note_commit(mirror, made.commit)
        return made

    def _bring(self, mirror: Path, repo: str, commit: str) -> None:
        """Fetch a submodule's commit.

        What failed is not tried again at once: a class clicks, and one after the other would wait.
        """
        if self._has(mirror, commit):
            return
        if time.monotonic() < self._missed.get((repo, commit), -math.inf):
            raise ContentFailed(f"{repo} could not be fetched a moment ago.")
        try:
            with self._fetching(mirror):
                self._fetch_into(mirror, Upstream(repo, commit, commit, time.time(), kind="commit"))
        except (EnvError, LaunchError, GitFailed) as error:
            lasts = isinstance(error, ContentNotFound | ContentTooLarge)
            now = time.monotonic()
            with self._guard:
                self._missed = {key: until for key, until in self._missed.items() if until > now}
                self._missed[repo, commit] = now + (REFUSED if lasts else DOWN)
            raise

    def find_copy(self, repo: str, branch: str = "") -> Upstream | None:
        """What the git host said when it last answered, marked as stale; asks nobody."""
        mirror = self._mirror(repo)
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            rows = json.loads((mirror / NOTE).read_text("utf-8"))
            named = Upstream(**rows[branch])
            known = [Upstream(**row) for row in rows.values()]
            same = [one for one in known if (one.kind, one.ref) == (named.kind, named.ref)]
            last = max(same, key=lambda one: one.fetched)  # `main` may also be the default branch
            if self._has(mirror, last.commit):
                note_use(mirror)
                why = SILENT if self.was_down(repo, branch) else ""
                return replace(last, stale=True, why=why)
        return None

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

    def _remember(self, mirror: Path, branch: str, found: Upstream) -> None:
        with self._locked(mirror):
            path = mirror / NOTE
            known = {}
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(path.read_text("utf-8"))
            known[branch] = found.__dict__
            handle, name = tempfile.mkstemp(dir=mirror)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(known, file)
            os.replace(name, path)

    def files(self, upstream: Upstream) -> list[str]:
        """Every file of the commit; one whose name is no text is left out."""
        return self._listed(upstream).decode().split("\0")[1:-1]

    def _listed(self, upstream: Upstream) -> bytes:
        """The same, remembered for the commits of the last clicks: a class asks for one of them."""
        key = (upstream.repo, upstream.commit)
        known = self._files.get(key)
        if known is None:
            # A class asks at once: one of them has git read it.
            with self._locked(self._mirror(upstream.repo) / "files"):
                known = self._files.get(key) or self._list(upstream)
        return known

    def _list(self, upstream: Upstream) -> bytes:
        listed = self._read(upstream, "ls-tree", "-r", "-z", "--name-only", upstream.commit)
        names = [name for name in listed.split("\0") if name and name.isprintable()]
        found = "\0".join(["", *names, ""]).encode()
        with self._guard:
            self._files[upstream.repo, upstream.commit] = found
            while sum(map(len, self._files.values())) > LISTED:
                del self._files[next(iter(self._files))]
        return found

    def sizes(self, upstream: Upstream) -> dict[str, int]:
        """Bytes of every file of the commit."""
        return sizes_of(self._mirror(upstream.repo), upstream.commit, git=self.git)

    def read_text(self, upstream: Upstream, path: str, *, largest: int) -> str:
        """A file of the commit; empty where it is larger than `largest` bytes or no text."""
        if self.sizes(upstream).get(path, 0) > largest:
            return ""
        try:
            return self._read(upstream, "cat-file", "blob", f"{upstream.commit}:{path}")
        except GitFailed:
            return ""

    def has_path(self, upstream: Upstream, path: str, *, folder: bool = False) -> bool:
        """True when the commit holds this file or folder; with `folder` only a folder counts."""
        plain = path.strip("/")
        if not plain or plain == ".":
            return True
        known = b""
        if plain.isprintable():
            with contextlib.suppress(GitFailed):  # said below, of this path alone
                known = self._listed(upstream)
        if any(f"\0{plain}{end}".encode() in known for end in ("/" if folder else "/\0")):
            return True  # what a commit holds never changes
        try:
            found = self._read(upstream, "cat-file", "-t", f"{upstream.commit}:{plain}")
        except GitFailed:
            return False
        return not folder or found.strip() == "tree"

    def prepared_clone(self, upstream: Upstream) -> Path:
        """A clone of the commit, made once and never changed: copy it to a student.

        On a branch of the upstream's name, with the public address as origin, no hooks, no
        credentials; the copier sets the owner.
        """
        name = hashlib.sha256(f"{upstream.kind} {upstream.ref}".encode()).hexdigest()[:8]
        target = self._beside(upstream.repo, "clones") / f"{upstream.commit}-{name}"
        mirror = self._mirror(upstream.repo)

        def bring(folder: Path) -> Upstream:
            fetch_local(
                upstream.commit, mirror, folder, into=BASE_REF, depth=self.depth, git=self.git
            )
            return upstream

        def make() -> None:
            with self._locked(target):
                if not target.exists():
                    make_clone(upstream, target, bring, git=self.git, owner=STUDENT)

        return once(target, make)

    def pack(self, upstream: Upstream, have: str | None) -> Path:
        """The objects of the commit that a clone with the commit `have` lacks, as a pack file."""
        mirror = self._mirror(upstream.repo)
        known = have if have and self._has(mirror, have) else None
        folder = self._beside(upstream.repo, "packs")
        target = folder / f"{upstream.commit}-{known or 'all'}.pack"

        def make() -> None:
            with self._locked(target):
                if not target.exists():
                    write_pack(mirror, upstream.commit, known, target, git=self.git)

        return once(target, make)

    def shallow(self, upstream: Upstream) -> list[str]:
        """The commits where the history that students get ends."""
        return shallow_commits(self._mirror(upstream.repo), upstream.commit, git=self.git)

    def holds(self, repo: str, commit: str) -> bool:
        """True when the mirror has this commit whole."""
        return bool(re.fullmatch(r"[0-9a-f]{40,64}", commit)) and self._has(
            self._mirror(repo), commit
        )

    def _read(self, upstream: Upstream, *args: str) -> str:
        """What git says of the commit; a mirror that turns out to be damaged is made again."""
        command = ("--git-dir", str(self._mirror(upstream.repo)), *args)
        try:
            return self.git.run(*command)
        except GitFailed:
            if self._is_sound(upstream):
                raise
        self.make_again(upstream)
        return self.git.run(*command)

    def _is_sound(self, upstream: Upstream) -> bool:
        """True when every folder of the commit can be read."""
        place = str(self._mirror(upstream.repo))
        with contextlib.suppress(GitFailed):
            self.git.run("--git-dir", place, "ls-tree", "-r", "-t", upstream.commit)
            return True
        return False

    def make_again(self, upstream: Upstream) -> None:
        """Fetch a mirror that is damaged from its git host; the old one stays until that worked.

        :raises ContentFailed: the git host does not give the commit.
        """
        mirror, wanted = self._mirror(upstream.repo), upstream.of or upstream.commit
        log.warning("a copy of a repository is damaged: fetching it again", extra={"at": mirror})
        with self._fetching(mirror):
            try:
                self._fetch_anew(mirror, replace(upstream, commit=wanted, of="", notes=()))
            except (LaunchError, EnvError, GitFailed, OSError) as error:
                raise ContentFailed(
                    "The server's copy of the course files is damaged, and there is no other now.",
                    hint=getattr(error, "hint", "") or "Try again in a minute.",
                ) from error

    def name_of(self, repo: str) -> str:
        """What the folders of this repository are called, in each of `KINDS`."""
        return self._mirror(repo).name

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
                    held.enter_context(self._locked(place, wait=False))
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

    def _has(self, mirror: Path, commit: str) -> bool:
        """A commit gets its ref when all of it has come; refs are never packed here."""
        return (mirror / "refs/launcher/commits" / commit).exists()

    def _mirror(self, repo: str) -> Path:
        return self._beside(repo, "mirrors")

    def _beside(self, repo: str, kind: str) -> Path:
        plain = repo.strip().rstrip("/")
        last = re.sub(r"[^\w.-]+", "-", plain.rsplit("/", 1)[-1])[:40].strip(".-")
        return self.folder / kind / f"{last}-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"

    def _fetching(self, mirror: Path) -> contextlib.AbstractContextManager[None]:
        """One fetch at a time; it may take long, so it is not what keeps others from writing."""
        return self._locked(mirror / "fetch")

    @contextlib.contextmanager
    def _locked(self, place: Path, *, wait: bool = True) -> Iterator[None]:
        """One process and thread at a time for this place.

        :raises BlockingIOError: another one has it, and `wait` is False.
        """
        locks = self.folder / "locks"
        locks.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = hashlib.sha256(str(place).encode()).hexdigest()[:24]
        with open(locks / name, "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield


def note_use(mirror: Path) -> None:
    """What was used last stays when room is made."""
    with contextlib.suppress(FileNotFoundError):
        os.utime(mirror / NOTE)
