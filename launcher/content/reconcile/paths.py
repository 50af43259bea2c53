"""The rules, path by path: which of base, the student's file and the new upstream wins."""

from __future__ import annotations

import errno
import os
from typing import Callable, Dict, List, Optional, Tuple

from .errors import CannotPull
from .git import Blobs, Entry, Tree
from .journal import Journal
from .merge import Merge, merge_files
from .work import Found, Work

LINK, SUBMODULE, EXECUTABLE = b"120000", b"160000", b"100755"
FULL = (errno.ENOSPC, errno.EDQUOT)
UNWRITABLE_NAME = (errno.ENAMETOOLONG, errno.EILSEQ)


def name_of(path: bytes) -> str:
    """For people and JSON; a name that is no text keeps its odd bytes visible."""
    return path.decode("utf-8", "backslashreplace")


def is_safe(path: bytes) -> bool:
    """False for a path that would reach outside the folder or into `.git`."""
    parts = path.split(b"/")
    return not any(part in (b"", b".", b"..") or part.lower() == b".git" for part in parts)


class Paths:
    """Applies the new tree to the student's files, one path after the other.

    Every step can be killed and run again: a file is complete or not there, the student's bytes
    are moved or merged but never removed, and what is done already is recognised.
    """

    def __init__(
        self,
        work: Work,
        blobs: Blobs,
        base: Tree,
        new: Tree,
        *,
        date: str,
        journal: Journal,
        find_renames: Callable[[], Dict[bytes, bytes]] = dict,
    ) -> None:
        self.work, self.blobs, self.base, self.new = work, blobs, base, new
        self._find_renames = find_renames
        self._renames: Optional[Dict[bytes, bytes]] = None
        self.date, self.journal = date, journal
        self.lists: Dict[str, List[str]] = {
            name: [] for name in ("new", "updated", "removed", "merged", "restored", "notes")
        }
        self.kept: List[Tuple[str, str]] = []
        self.moved: List[Tuple[str, str]] = []

    @property
    def changed(self) -> bool:
        lists = (names for kind, names in self.lists.items() if kind != "notes")
        return any(lists) or bool(self.moved) or bool(self.kept)

    def apply(self) -> None:
        """Everything that upstream withdrew, then everything that it has."""
        gone = [path for path in self.base if path not in self.new and is_safe(path)]
        empty = tuple(path + b"/" for path, entry in self.new.items() if entry.mode == SUBMODULE)
        for path in sorted(gone, reverse=True):
            if not path.startswith(empty):  # a submodule that cannot be fetched now
                self.withdraw(path, self.base[path])
        for path, entry in sorted(self.new.items()):
            if not is_safe(path):
                self.lists["notes"].append("%s cannot be written here" % name_of(path))
            elif entry.mode == SUBMODULE:
                self.submodule(path)
            elif self.base.get(path) != entry or self.work.is_missing(path):
                self.guarded(path, entry)

    def guarded(self, path: bytes, entry: Entry) -> None:
        """One path; a name that this disk cannot hold must not stop all others."""
        try:
            for _ in range(3):  # again when the student saved in this very moment
                if self.bring(path, entry):
                    return
            self.lists["notes"].append("%s is being written to; pull again" % name_of(path))
        except PermissionError:
            raise
        except OSError as error:
            if error.errno in UNWRITABLE_NAME:
                self.lists["notes"].append("%s: this name cannot be used here" % name_of(path))
                return
            if error.errno in FULL:
                raise CannotPull(
                    "Your disk space is full; nothing of yours was lost.",
                    "Remove files that you do not need, then pull again.",
                ) from error
            raise CannotPull(
                "%s could not be written: %s" % (name_of(path), error.strerror),
                "Rename or remove what is there, then pull again.",
            ) from error

    def withdraw(self, path: bytes, was: Entry) -> None:
        """Upstream has it no more: remove it unless the student changed it."""
        found = self.work.look(path)
        if found is None or was.mode == SUBMODULE:
            return
        if not same_content(found, was):
            if found.kind != "folder" and not self.follow(path, was, found):
                self.kept.append((name_of(path), ""))
        elif self.work.same(path, found):
            self.work.remove(path)
            self.lists["removed"].append(name_of(path))

    def follow(self, path: bytes, was: Entry, found: Found) -> bool:
        """Where upstream renamed what the student changed: the change goes along to the new name.

        The old file goes last, when its content is known to be in the new one.
        """
        new_path = self.renamed(path)
        entry = self.new.get(new_path) if new_path else None
        if (
            new_path is None
            or entry is None
            or found.kind != "file"
            or LINK in (was.mode, entry.mode)
        ):
            return False
        there = self.work.look(new_path)
        if there is None:
            if self.work.in_the_way(new_path) is not None:
                return False
            mine, theirs = self.work.read(path), self.blobs.read(entry.oid)
            merged = self.merged(new_path, was, mine, theirs)
            if merged.data is None or not self.work.same(path, found):
                return False
            if merged.note:
                self.lists["notes"].append(merged.note)
            if not merged.whole:
                self.beside(new_path, entry, theirs)
            self.journal.merging(path, found.oid)
            self.journal.merging(new_path, self.work.oid_of(merged.data))
            mode = mode_of(found.executable, was, entry)
            self.work.write(new_path, merged.data, mode=mode, durable=True)
        elif not (
            self.journal.is_merged(path, found.oid) and self.journal.is_merged(new_path, there.oid)
        ):
            return False
        if self.work.same(path, found):
            self.work.remove(path)
        self.lists["notes"].append(
            "%s is called %s now, with your changes" % (name_of(path), name_of(new_path))
        )
        return True

    def renamed(self, path: bytes) -> Optional[bytes]:
        """What upstream calls a file now that the student has under its old name."""
        if self._renames is None:
            self._renames = self._find_renames()
        new_path = self._renames.get(path)
        return new_path if new_path and is_safe(new_path) else None

    def submodule(self, path: bytes) -> None:
        if not self.work.exists(path) and self.work.in_the_way(path) is None:
            os.makedirs(self.work.full(path), exist_ok=True)

    def bring(self, path: bytes, entry: Entry) -> bool:
        """Make the folder hold upstream's `entry`; False when the path must be looked at again."""
        self.clear_way(path)
        was = self.base.get(path)
        found = self.work.look(path)
        if found is not None and self.journal.is_merged(path, found.oid):
            self.lists["merged"].append(name_of(path))
            return True
        if found is None:
            self.place(path, entry)
            kind = "new" if was is None else "restored"
            self.lists[kind].append(name_of(path))
            return True
        if same_content(found, entry):
            self.fix_executable(path, found, was, entry)
            return True
        if was == entry:
            return True  # only the student changed it
        if was is not None and same_content(found, was):
            return self.update(path, entry, was, found)
        if was is None or found.kind in ("folder", "other"):
            self.aside(path)
            self.place(path, entry)
            self.lists["new" if was is None else "restored"].append(name_of(path))
            return True
        return self.merge(path, entry, was, found)

    def clear_way(self, path: bytes) -> None:
        """A file or link of the student's where upstream has a folder is moved aside."""
        above = self.work.in_the_way(path)
        if above is not None:
            self.aside(above)

    def aside(self, path: bytes) -> None:
        moved = self.work.move_aside(path, "yours %s" % self.date, self.new)
        self.moved.append((name_of(path), name_of(moved)))
        self.kept = [
            pair for pair in self.kept if pair != (name_of(path), "")
        ]  # not there any more

    def place(self, path: bytes, entry: Entry) -> None:
        self.work.write(path, self.blobs.read(entry.oid), mode=entry.mode)

    def update(self, path: bytes, entry: Entry, was: Entry, found: Found) -> bool:
        """The student left it alone, except perhaps for the right to execute it."""
        mode = entry.mode
        if mode != LINK and found.kind == "file":
            mode = mode_of(found.executable, was, entry)
        data = self.blobs.read(entry.oid)
        if not self.work.same(path, found):
            return False
        self.work.write(path, data, mode=mode)
        self.lists["updated"].append(name_of(path))
        return True

    def fix_executable(self, path: bytes, found: Found, was: Optional[Entry], entry: Entry) -> None:
        """The content agrees; the right to execute it changes only if upstream changed it."""
        if found.kind != "file" or was is None or was.mode == entry.mode:
            return
        wanted = mode_of(found.executable, was, entry) == EXECUTABLE
        if wanted != found.executable:
            self.work.set_executable(path, wanted)
            self.lists["updated"].append(name_of(path))

    def merge(self, path: bytes, entry: Entry, was: Entry, found: Found) -> bool:
        """Both changed it."""
        theirs = self.blobs.read(entry.oid)
        if found.kind == "link" or LINK in (entry.mode, was.mode):
            self.beside(path, entry, theirs)
            return True
        mine = self.work.read(path)
        merged = self.merged(path, was, mine, theirs)
        if not self.work.same(path, found):
            return False
        if merged.note:
            self.lists["notes"].append(merged.note)
        if not merged.whole:
            self.beside(path, entry, theirs)
        if merged.data is not None and merged.data != mine:
            self.journal.merging(path, self.work.oid_of(merged.data))
            mode = mode_of(found.executable, was, entry)
            self.work.write(path, merged.data, mode=mode, durable=True)
            self.lists["merged"].append(name_of(path))
        return True

    def merged(self, path: bytes, was: Entry, mine: bytes, theirs: bytes) -> Merge:
        return merge_files(
            os.path.basename(path),
            self.blobs.read(was.oid),
            mine,
            theirs,
            date=self.date,
            temp=self.work.temp,
        )

    def beside(self, path: bytes, entry: Entry, theirs: bytes) -> None:
        """The student's stays; the teacher's version gets a name of its own, once."""
        there = self.work.beside(path, "teacher", entry.oid)
        if there is None:
            there = self.work.free_name(path, "teacher %s" % self.date, self.new)
            self.work.write(there, theirs, mode=entry.mode)
        self.kept.append((name_of(path), name_of(there)))


def same_content(found: Found, entry: Entry) -> bool:
    """True when kind and bytes agree; the right to execute does not count here."""
    kind = "link" if entry.mode == LINK else "file"
    return found.kind == kind and found.oid == entry.oid


def mode_of(executable: bool, was: Entry, entry: Entry) -> bytes:
    """The student's right to execute where they changed it, else upstream's."""
    if executable != (was.mode == EXECUTABLE):
        return EXECUTABLE if executable else b"100644"
    return entry.mode
