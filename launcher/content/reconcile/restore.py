"""Going back: files of a snapshot beside the present ones or in their place, one file afresh.

Nothing is lost here either: what a restore replaces is in a snapshot of its own, and a file that
is started over is moved aside.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Tuple

from .errors import CannotPull
from .git import Blobs, Git
from .paths import SUBMODULE, is_safe, same_content
from .snapshots import Kept, Snapshot, chosen, content, files, shown
from .work import Work

BASE = "refs/launcher/base"


def restore(
    git: Git, work: Work, name: str, path: Optional[bytes], *, in_place: bool, date: str
) -> Dict[str, Any]:
    """Bring back what the snapshot `name` keeps, or one file of it; where it went.

    :raises CannotPull: no such snapshot or file.
    """
    kept = chosen(files(git.dir, name), path)
    undo = Snapshot(git.dir, "before going back to %s" % name)
    work.before = undo
    placed: List[Tuple[str, str]] = []
    notes: List[str] = []
    for one in kept:
        if not is_safe(one.path) or not is_file(one.stored):
            notes.append("%s is not there any more" % shown(one.moved or one.path))
            continue
        data = content(one.stored)
        target = place_for(work, one, data, in_place=in_place, date=date)
        if target is not None:
            work.write(target, data, mode=one.mode or mode_now(one.stored))
            placed.append((shown(one.path), shown(target)))
    return {"restored": placed, "notes": notes, "snapshot": undo.id}


def place_for(work: Work, one: Kept, data: bytes, *, in_place: bool, date: str) -> Optional[bytes]:
    """Where the file goes; None where it is there already."""
    found = work.look(one.path)
    if found is not None and found.oid == work.oid_of(data):
        return None
    blocked = work.in_the_way(one.path) is not None or (found and found.kind == "folder")
    if in_place and not blocked:
        return one.path
    above = one.path
    while work.in_the_way(above) is not None:  # the folder is a file now: beside that
        above = os.path.dirname(above)
    return work.free_name(above, "before %s" % date, ())


def start_over(git: Git, work: Work, path: bytes, *, date: str) -> Dict[str, Any]:
    """Put the teacher's version of one file in its place; the student's is moved aside.

    :raises CannotPull: it is no file of the course.
    :raises NeedObjects: its content is missing in the clone.
    """
    commit = git.refs().get(BASE)
    entry = git.tree(commit).get(path) if commit else None
    if entry is None or entry.mode == SUBMODULE or not is_safe(path):
        raise CannotPull(
            "%s is not one of the course files." % shown(path),
            "Write its name as the file browser shows it, from the course folder on.",
        )
    undo = Snapshot(git.dir, "before starting %s over" % shown(path))
    work.before = undo
    moved: List[Tuple[str, str]] = []
    git.check_objects([entry.oid])
    with Blobs(git) as blobs:
        data = blobs.read(entry.oid)
    found = work.look(path)
    blocked = work.in_the_way(path)
    if found is not None and same_content(found, entry):
        return {"moved": [], "notes": ["%s is as your teacher has it" % shown(path)]}
    taken = blocked or (path if found is not None else None)
    if taken is not None:
        moved.append((shown(taken), shown(work.move_aside(taken, "yours %s" % date, ()))))
    work.write(path, data, mode=entry.mode)
    return {"moved": moved, "notes": []}


def is_file(full: bytes) -> bool:
    return os.path.islink(full) or os.path.isfile(full)


def mode_now(full: bytes) -> bytes:
    if os.path.islink(full):
        return b"120000"
    return b"100755" if os.lstat(full).st_mode & 0o100 else b"100644"
