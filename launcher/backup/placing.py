"""The entries of a backup become files, folders and links on this disk."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from launcher.backup.holes import copy_with_holes
from launcher.backup.manifest import shown

STUDENTS = ("homes/", "bin/")
NOT_HERE = {errno.EFBIG, errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ}
"""How a disk says that it cannot have a file of such a size or name, though another one could."""
RIGHTS = 0o1777
"""A backup gives no program another user's rights."""


@dataclass
class Placing:
    """Makes files on a disk that may not be able to have all that another one could.

    What is a student's is left out then and noted: nobody may make a restore fail for everybody.
    """

    stage: Path
    notes: list[str] = field(default_factory=list)
    _left_out: set[str] = field(default_factory=set)
    _lasts: dict[str, Path] = field(default_factory=dict)
    """The last copy of a file with more names than this disk gives to one."""

    def is_left_out(self, name: str) -> bool:
        """Whether it, or a folder that it is in, is left out."""
        return name in self._left_out or any(
            str(above) in self._left_out for above in Path(name).parents if self._left_out
        )

    def folder(self, row: tarfile.TarInfo) -> bool:
        """An empty folder; False where it is left out, with all that is in it."""
        with self._noting(row):
            (self.stage / row.name).mkdir(mode=0o700, parents=True)
        return row.name not in self._left_out

    def file(self, row: tarfile.TarInfo) -> bool:
        """An empty file of the entry's size; False where it is left out."""
        path = self.stage / row.name
        with self._noting(row):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with path.open("xb") as file:
                    file.truncate(row.size)
            except OSError:
                with contextlib.suppress(OSError):
                    path.unlink()
                raise
        return row.name not in self._left_out

    def name(self, row: tarfile.TarInfo) -> None:
        """Another name of a file, or a copy of it where it has as many as it can."""
        if self.is_left_out(row.linkname):
            self._leave_out(row, "its other name is left out")
            return
        path, last = self.stage / row.name, self._lasts.get(row.linkname)
        known = last or self.stage / row.linkname
        with self._noting(row):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                os.link(known, path, follow_symlinks=False)
            except OSError as error:
                if error.errno != errno.EMLINK:
                    raise
                copy_with_holes(known, path)
                own(path, row)
                self._lasts[row.linkname] = path

    def link(self, row: tarfile.TarInfo) -> bool:
        with self._noting(row):
            (self.stage / row.name).symlink_to(row.linkname)
        return row.name not in self._left_out

    @contextlib.contextmanager
    def _noting(self, row: tarfile.TarInfo) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in NOT_HERE or not row.name.startswith(STUDENTS):
                raise
            self._leave_out(row, f"this disk cannot have it ({error.strerror})")

    def _leave_out(self, row: tarfile.TarInfo, why: str) -> None:
        self._left_out.add(row.name)
        self.notes.append(f"{shown(row.name)}: left out, {why}")


def own(path: Path, row: tarfile.TarInfo) -> None:
    """Owner, rights and time as they were, as far as this user may."""
    if os.geteuid() == 0:
        os.chown(path, row.uid, row.gid, follow_symlinks=False)
    if not row.issym():
        path.chmod(stat.S_IMODE(row.mode) & RIGHTS)
    os.utime(path, (row.mtime, row.mtime), follow_symlinks=False)
