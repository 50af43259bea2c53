"""Slots: folders through which a student's home appears in a container that already runs.

A slot is `slots/<id>/`, bound into the container as its home with `rslave` propagation. Until it
is claimed it holds a passing folder in memory, read-only once the server answers. The claim is
`<id>.claim`, made exactly once; the home is then mounted over the slot, and `<id>.given` says
that this was seen inside. Slots are only ever unmounted and `rmdir`ed, never emptied, and never
while their container exists: its processes would write where nobody finds it again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from launcher.homes.home import folder_below
from launcher.runtimes.docker import mounts
from launcher.session import HOME_IN_SESSION, SessionSpec

SIZE = 1 << 20
"""Bytes that a server may leave in its home before it is claimed."""


class SlotFailed(Exception):
    """The slot cannot be used; the sentence says why."""


@dataclass(frozen=True)
class Claim:
    """Whose session a warm one has become."""

    owner: str
    course: str
    link: str
    at: float
    """Unix seconds."""


@dataclass
class Slots:
    """All slots of a data folder; claims are read once, since they never change."""

    folder: Path
    uid: int
    _claims: dict[str, Claim] = field(default_factory=dict)

    def why_not(self) -> str | None:
        """None where slots can be made, else the reason."""
        if os.geteuid() != 0:
            return "Only root may attach folders to sessions that run."
        try:
            with self._turn():
                self._share()
                self._unshare()
        except OSError as error:
            return f"{self.folder} cannot be mounted as needed: {error.strerror}."
        return None

    def make(self, session_id: str) -> Path:
        """A new slot with its passing folder.

        :raises OSError: it cannot be mounted.
        """
        with self._turn():
            self._share()
            slot = self.folder / session_id
            slot.mkdir(mode=0o700)
            mounts.passing(slot, owner=self.uid, size=SIZE)
            return slot

    def settle(self, session_id: str, process: int) -> tuple[tuple[str, int], ...]:
        """Forbid writing into the slot; the folders that the server made there, and their modes.

        :raises SlotFailed: it left more than empty folders, or the container does not see it.
        """
        slot = self.folder / session_id
        try:
            mounts.forbid_writing(slot)
        except OSError as error:
            if error.errno == errno.EBUSY:
                raise SlotFailed("its server keeps a file open in its home") from error
            raise SlotFailed(f"its home cannot be made read-only: {error.strerror}") from error
        if inode(Path(f"/proc/{process}/root{HOME_IN_SESSION}")) != inode(slot):
            raise SlotFailed("the engine does not see what the launcher mounts")
        return empty_folders(slot)

    def claim(self, session_id: str, claim: Claim) -> bool:
        """Take the slot: True for the one that did, whoever asks at the same time."""
        handle, name = tempfile.mkstemp(dir=self.folder, prefix=".claim-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(json.dumps(vars(claim)))
            os.link(name, self._claim(session_id))
            return True
        except FileExistsError:
            return False
        finally:
            os.unlink(name)

    def find_claim(self, session_id: str) -> Claim | None:
        """The claim, whether or not its home was attached yet."""
        if session_id in self._claims:
            return self._claims[session_id]
        try:
            found = Claim(**json.loads(self._claim(session_id).read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return self._claims.setdefault(session_id, found)

    def is_given(self, session_id: str) -> bool:
        """True once the student's home was seen in the container."""
        return self._given(session_id).exists()

    def given(self) -> dict[str, Claim]:
        """The claims of all slots that were given to a student, by session."""
        ids = {name.removesuffix(".given") for name in self._names() if name.endswith(".given")}
        for gone in self._claims.keys() - ids:
            self._claims.pop(gone, None)
        found = ((one, self.find_claim(one)) for one in ids)
        return {one: claim for one, claim in found if claim}

    def attach(
        self, spec: SessionSpec, process: int, folders: tuple[tuple[str, int], ...] = ()
    ) -> None:
        """Mount the home over the slot, and look for it inside.

        :raises SlotFailed: it did not appear there.
        """
        slot = self.folder / spec.id
        try:
            for path, mode in folders:
                make_folder(spec.home, path, mode, self.uid)
            with folder_below(spec.home, "") as home:
                mounts.bind(f"/proc/self/fd/{home}", slot)
            if not self.is_attached(spec, process):
                raise SlotFailed("it did not appear in the container")
            self._given(spec.id).touch()
        except OSError as error:
            raise SlotFailed(f"it cannot be mounted: {error.strerror}") from error

    def is_attached(self, spec: SessionSpec, process: int) -> bool:
        """True where the container of this process sees the student's home."""
        home = inode(spec.home)
        return bool(home) and inode(Path(f"/proc/{process}/root{HOME_IN_SESSION}")) == home

    def release(self, session_id: str) -> None:
        """Unmount and remove a slot whose container is gone; one that is not there is fine.

        :raises OSError: something is left that is not ours to remove.
        """
        if session_id not in self.known():
            return
        with self._turn():
            slot = self.folder / session_id
            for _ in range(mounts.mounts_at(slot)):
                mounts.unmount(slot)
            with contextlib.suppress(FileNotFoundError):
                slot.rmdir()  # refuses to remove anything that is in it
            self._given(session_id).unlink(missing_ok=True)
            self._claim(session_id).unlink(missing_ok=True)
            self._unshare()
        self._claims.pop(session_id, None)

    def known(self) -> set[str]:
        """The sessions that have a slot, or what is left of one."""
        names = (name.partition(".")[0] for name in self._names())
        return {name for name in names if re.fullmatch(r"[0-9a-f]{8,64}", name)}

    def _names(self) -> list[str]:
        try:
            return os.listdir(self.folder)
        except FileNotFoundError:
            return []

    def _claim(self, session_id: str) -> Path:
        return self.folder / f"{session_id}.claim"

    def _given(self, session_id: str) -> Path:
        return self.folder / f"{session_id}.given"

    def _share(self) -> None:
        """Docker wants the source of an `rslave` bind on a shared mount: the folder on itself."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not mounts.mounts_at(self.folder):
            mounts.bind(str(self.folder), self.folder)
        if not mounts.is_shared(self.folder):
            mounts.make_shared(self.folder)

    def _unshare(self) -> None:
        """With the last slot the mount goes, too: a launcher that ended leaves none."""
        if any(not name.startswith(".claim-") for name in self._names()):
            return
        for _ in range(mounts.mounts_at(self.folder)):
            mounts.unmount(self.folder)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """One process and thread at a time makes or removes slots."""
        self.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(self.folder.with_suffix(".lock"), "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def inode(path: Path) -> tuple[int, int] | None:
    """What tells a folder from every other; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def empty_folders(slot: Path) -> tuple[tuple[str, int], ...]:
    """The folders below, outermost first, with their modes.

    :raises SlotFailed: there is anything else.
    """
    found = []
    for folder, inner, others in os.walk(slot):
        links = [name for name in inner if os.path.islink(os.path.join(folder, name))]
        if others or links:
            name = os.path.relpath(os.path.join(folder, (others + links)[0]), slot)
            raise SlotFailed(f"its server writes {name!r} into its home when it starts")
        for name in inner:
            path = os.path.join(folder, name)
            found.append((os.path.relpath(path, slot), stat.S_IMODE(os.lstat(path).st_mode)))
    return tuple(found)


def make_folder(home: Path, path: str, mode: int, uid: int) -> None:
    """Make an empty folder in a home, unless the student has something there."""
    above, _, name = path.rpartition("/")
    with contextlib.suppress(OSError), folder_below(home, above) as handle:
        os.mkdir(name, mode & 0o777, dir_fd=handle)
        os.chown(name, uid, uid, dir_fd=handle, follow_symlinks=False)
