"""What the student's files were before a pull changed them: kept, listed, looked at.

A snapshot holds only what its pull touched, as hard links of the old files: the pull puts new ones
in their place by rename, so this costs neither time nor space. A row is written before its file
is changed, so a pull that is killed leaves a snapshot of all that it had changed.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from .errors import CannotPull
from .gitdir import SNAPSHOTS
from .merge import LARGEST_TEXT
from .work import Work

LONGEST_DIFF = 2000
"""Lines that a preview shows of one file."""
LONGEST_LINE = 2000
"""Characters that it shows of one line."""


class Kept(NamedTuple):
    """One file of a snapshot."""

    path: bytes
    mode: bytes
    """As in a git tree."""
    stored: bytes
    """Where its content is now; for a file that was moved, its new place in the folder."""
    moved: bytes
    """The new path of a file that was only moved aside, else empty."""


class Snapshot:
    """One that is being made; nothing is written until the first file is about to change."""

    def __init__(self, git_dir: bytes, reason: str, **about: str) -> None:
        self._all = folder_of(git_dir)
        self._about = {"reason": reason, **about}
        self._number = 0
        self._known: Dict[bytes, bytes] = {}
        self.id = ""

    def keep(self, work: Work, path: bytes) -> None:
        """Called before the file or link at `path` is replaced or removed."""
        full = work.full(path)
        if path in self._known or not os.path.lexists(full):
            return
        found = os.lstat(full)
        link = os.path.islink(full)
        mode = "120000" if link else "100755" if found.st_mode & 0o100 else "100644"
        self._begin()
        stored = os.path.join(self._folder, b"%d" % self._number)
        try:
            os.link(full, stored, follow_symlinks=False)
        except OSError:  # a filesystem without hard links, or somebody else's file
            if link:
                os.symlink(os.readlink(full), stored)
            else:
                shutil.copyfile(full, stored)
        self._write({"path": text_of(path), "mode": mode, "file": str(self._number)})
        self._known[path] = stored
        self._number += 1

    def moved(self, path: bytes, new: bytes) -> None:
        """Called after the student's own `path` was renamed; its content stays where it is now."""
        self._begin()
        self._write({"path": text_of(path), "moved": text_of(new)})

    def _begin(self) -> None:
        if self.id:
            return
        os.makedirs(self._all, mode=0o700, exist_ok=True)
        plain = name = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        number = 1
        while True:
            try:
                os.mkdir(os.path.join(self._all, name.encode()), 0o700)
                break
            except FileExistsError:
                number += 1
                name = "%s-%d" % (plain, number)
        self.id = name
        self._folder = os.path.join(self._all, name.encode())
        self._write({"id": name, "at": time.time(), **self._about})

    def _write(self, row: Dict[str, Any]) -> None:
        with open(os.path.join(self._folder, b"list"), "a", encoding="ascii") as file:
            file.write(json.dumps(row) + "\n")


def folder_of(git_dir: bytes) -> bytes:
    return os.path.join(git_dir, SNAPSHOTS)


def text_of(path: bytes) -> str:
    """A path in JSON; bytes that are no text survive the way there and back."""
    return path.decode("utf-8", "surrogateescape")


def path_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def shown(path: bytes) -> str:
    """A path for people."""
    return path.decode("utf-8", "backslashreplace")


def ids(git_dir: bytes) -> List[str]:
    """All snapshots, newest first."""
    try:
        names = os.listdir(folder_of(git_dir))
    except OSError:
        return []
    found = [name.decode() for name in names if re.fullmatch(rb"\d{8}-\d{6}(-\d+)?", name)]
    return sorted(found, key=lambda name: [int(part) for part in name.split("-")], reverse=True)


def rows(git_dir: bytes, name: str) -> Iterator[Dict[str, Any]]:
    """The rows of one snapshot; the last one may be cut where a pull was killed."""
    with open(os.path.join(folder_of(git_dir), name.encode(), b"list"), encoding="ascii") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                return
            if isinstance(row, dict):
                yield row


def files(git_dir: bytes, name: str) -> List[Kept]:
    """What the snapshot keeps.

    :raises CannotPull: there is no such snapshot.
    """
    if name not in ids(git_dir):
        raise CannotPull("There is no snapshot %s here." % name, "Choose one from the list.")
    folder = os.path.join(folder_of(git_dir), name.encode())
    root = os.path.dirname(git_dir)
    found = []
    try:
        for row in rows(git_dir, name):
            path = path_of(str(row.get("path", "")))
            if "file" in row:
                mode = str(row["mode"]).encode()
                found.append(Kept(path, mode, os.path.join(folder, row["file"].encode()), b""))
            elif "moved" in row:
                new = path_of(str(row["moved"]))
                found.append(Kept(path, b"", os.path.join(root, new), new))
    except OSError as error:
        raise CannotPull("The snapshot %s cannot be read: %s." % (name, error.strerror)) from error
    return found


def listed(git_dir: bytes) -> List[Dict[str, Any]]:
    """Every snapshot for a list, newest first: when, why, how many files, how large."""
    found = []
    for name in ids(git_dir):
        about: Dict[str, Any] = {"id": name, "at": 0.0, "reason": ""}
        try:
            for row in rows(git_dir, name):
                about.update({k: row[k] for k in ("at", "reason", "before", "after") if k in row})
            kept = files(git_dir, name)
        except (OSError, CannotPull):
            continue  # killed before its first row
        about["files"] = len(kept)
        about["names"] = [shown(one.path) for one in kept[:20]]
        about["size"] = sum(size_of(one.stored) for one in kept if not one.moved)
        found.append(about)
    return found


def chosen(kept: List[Kept], path: Optional[bytes]) -> List[Kept]:
    """All, or the one file of this path, or of the name that people see of it.

    :raises CannotPull: the snapshot does not have it.
    """
    if path is None:
        return kept
    found = [one for one in kept if path in (one.path, shown(one.path).encode())]
    if not found:
        raise CannotPull("The snapshot has no file %s." % shown(path), "Choose one from it.")
    return found


def size_of(full: bytes) -> int:
    try:
        return os.lstat(full).st_size
    except OSError:
        return 0


def preview(work: Work, git_dir: bytes, name: str, path: Optional[bytes]) -> Dict[str, Any]:
    """What a restore would bring back: every file with its state now, or one file's lines."""
    kept = chosen(files(git_dir, name), path)
    found = [
        {
            "path": text_of(one.path),
            "name": shown(one.path),
            "state": state(work, one),
            "size": size_of(one.stored),
            "moved": shown(one.moved),
        }
        for one in kept
    ]
    answer: Dict[str, Any] = {"id": name, "files": found}
    if path is not None:
        answer["diff"] = difference(work, kept[0])
    return answer


def state(work: Work, one: Kept) -> str:
    """`same`, `changed` or `missing`: the file in the folder against the one kept."""
    if not os.path.lexists(one.stored):
        return "lost"
    if work.exists(one.path) and size_of(work.full(one.path)) != size_of(one.stored):
        return "changed"  # which takes no reading of large files
    now = work.look(one.path)
    if now is None:
        return "missing"
    return "same" if now.oid == work.oid_of(content(one.stored)) else "changed"


def content(full: bytes) -> bytes:
    """Bytes of a file, or the target of a link; a link is never followed."""
    if os.path.islink(full):
        return os.readlink(full)
    with open(full, "rb") as file:
        return file.read()


def difference(work: Work, one: Kept) -> List[str]:
    """Lines that a restore takes away (-) and brings back (+); none for what is not text."""
    try:
        then = lines_of(one.path, content(one.stored))
        now = lines_of(one.path, work.read(one.path) if work.look(one.path) else b"")
    except (OSError, ValueError):
        return []
    made = difflib.unified_diff(now, then, "now", "in the snapshot", lineterm="", n=2)
    return [cut(line) for _, line in zip(range(LONGEST_DIFF), made)]


def cut(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "\N{HORIZONTAL ELLIPSIS}"


def lines_of(path: bytes, data: bytes) -> List[str]:
    """:raises ValueError: it is no text."""
    if len(data) > LARGEST_TEXT:
        raise ValueError("too long")
    text = data.decode("utf-8")
    if path.lower().endswith(b".ipynb") and text.strip():
        text = sources(json.loads(text))
    return text.splitlines()


def sources(notebook: Any) -> str:
    """A notebook's cells as a person reads them, without outputs."""
    parts = []
    for cell in notebook["cells"] if isinstance(notebook, dict) else []:
        source = cell.get("source", "")
        parts.append("# [%s]" % cell.get("cell_type", ""))
        parts.append("".join(source) if isinstance(source, list) else str(source))
    return "\n".join(parts)


def forget_old(git_dir: bytes, *, number: int, days: float) -> None:
    """Remove snapshots beyond `number` and older than `days`; the newest always stays."""
    for place, name in enumerate(ids(git_dir)):
        folder = os.path.join(folder_of(git_dir), name.encode())
        try:
            old = time.time() - os.lstat(folder).st_mtime > days * 86400
        except OSError:
            continue
        if place > 0 and (place >= number or old):
            shutil.rmtree(folder, ignore_errors=True)
