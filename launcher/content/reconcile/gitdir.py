"""The student's `.git`: locked against other pulls, mended where it is damaged."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from typing import Iterator, List

from .errors import CannotPull
from .git import Git

PATIENCE = 60.0
"""Seconds to wait for another pull in the same folder."""
GIT_PATIENCE = 3.0
"""Seconds to wait for a git command of the student's to end."""
SNAPSHOTS = b"launcher-snapshots"
UNFINISHED = [
    *("MERGE_HEAD", "MERGE_MSG", "MERGE_MODE", "AUTO_MERGE", "CHERRY_PICK_HEAD", "REVERT_HEAD"),
    *("REBASE_HEAD", "SQUASH_MSG", "rebase-merge", "rebase-apply", "sequencer"),
]


@contextlib.contextmanager
def locked(folder: bytes) -> Iterator[None]:
    """One pull at a time; the kernel frees the lock of one that was killed.

    The lock is on the folder itself, so it leaves no file behind and survives a new `.git`.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    deadline = time.monotonic() + PATIENCE
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise CannotPull(
                        "Another pull is running in this folder.", "Try again in a minute."
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def ensure_git_dir(git: Git, branch: str, date: str) -> List[str]:
    """Make `.git` usable, keeping as much of it as possible; what was done, in sentences."""
    if os.path.islink(git.dir) or os.path.isfile(git.dir):
        set_aside(git.dir, date)
    if not os.path.lexists(git.dir):
        create(git, branch)
        return []
    clear_garbage_refs(git.dir)
    if works(git):
        return []
    for folder in (b"objects", b"refs"):
        with contextlib.suppress(FileExistsError):  # a file there: set aside with all below
            os.makedirs(os.path.join(git.dir, folder), exist_ok=True)
            os.listdir(os.path.join(git.dir, folder))  # may be closed only, and not damaged
    mend_head(git, branch)
    if works(git):
        return ["The folder's git data was damaged and has been mended"]
    config = os.path.join(git.dir, b"config")
    if os.path.lexists(config):
        set_aside(config, date)
        if works(git):
            return ["The folder's git settings could not be read; they were set aside"]
    damaged = set_aside(git.dir, date)
    create(git, branch)
    with contextlib.suppress(OSError):  # none yet
        os.rename(os.path.join(damaged, SNAPSHOTS), os.path.join(git.dir, SNAPSHOTS))
    return ["The folder's git data was damaged; it was set aside and made anew"]


def works(git: Git) -> bool:
    """True when git takes the folder for a repository, and its refs can be listed."""
    return git.run("rev-parse", "--git-dir").code == 0 and git.run("for-each-ref").code == 0


def mend_head(git: Git, branch: str) -> None:
    """A HEAD that is empty or garbage, as a full disk leaves it, names the branch again."""
    path = os.path.join(git.dir, b"HEAD")
    try:
        with open(path, "rb") as file:
            text = file.read(4096)
    except OSError:
        text = b""
    if not re.fullmatch(rb"(ref: refs/\S+|[0-9a-f]{40,64})\s*", text):
        with open(path, "wb") as file:
            file.write(b"ref: refs/heads/%s\n" % os.fsencode(branch or "main"))


def clear_garbage_refs(folder: bytes) -> None:
    """A ref file that a power cut left empty makes git refuse every update; it holds nothing."""
    for above, _folders, files in os.walk(os.path.join(folder, b"refs")):
        for name in files:
            path = os.path.join(above, name)
            if name.endswith(b".lock") or os.path.islink(path):
                continue
            with open(path, "rb") as file:
                text = file.read(4096)
            if not re.fullmatch(rb"(ref: refs/\S+|[0-9a-f]{40,64})\s*", text):
                os.unlink(path)


def create(git: Git, branch: str) -> None:
    name = "--initial-branch=%s" % (branch or "main")
    git.must("init", "--quiet", "--template=", name)


def set_aside(path: bytes, date: str) -> bytes:
    """Rename to `.git-damaged-DATE`, `.git-damaged-DATE-2` and so on; the new name."""
    number = 1
    while True:
        mark = b"-damaged-%s" % date.encode() + (b"" if number == 1 else b"-%d" % number)
        if not os.path.lexists(path + mark):
            os.rename(path, path + mark)
            return path + mark
        number += 1


def clear_locks(git: Git) -> None:
    """Remove lock files that a killed git left; one that runs here is waited for.

    :raises CannotPull: a git command of the student's still runs.
    """
    deadline = time.monotonic() + GIT_PATIENCE
    locks = lock_files(git.dir)
    while locks and time.monotonic() < deadline and git_runs_in(git.folder):
        time.sleep(0.1)
        locks = lock_files(git.dir)
    if not locks:
        return
    if git_runs_in(git.folder):
        raise CannotPull(
            "A git command is running in this folder.", "Wait for its end, then pull again."
        )
    for lock in locks:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(lock)


def lock_files(folder: bytes) -> List[bytes]:
    found = []
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.endswith(b".lock"):
            found.append(path)
        elif name == b"refs" and not os.path.islink(path):
            for above, _folders, files in os.walk(path):
                found += [os.path.join(above, one) for one in files if one.endswith(b".lock")]
    return found


def clear_half_packs(git: Git) -> None:
    """Remove what a git that was killed, or a full disk, left of a pack: it takes the room."""
    folder = os.path.join(git.dir, b"objects", b"pack")
    try:
        left = [name for name in os.listdir(folder) if name.startswith(b"tmp_")]
    except OSError:
        return
    if left and not git_runs_in(git.folder):
        for name in left:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def git_runs_in(folder: bytes) -> bool:
    """True when a git process of somebody else's has its working folder in here."""
    real = os.path.realpath(folder)
    try:
        numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return False
    for number in numbers:
        with contextlib.suppress(OSError):
            with open("/proc/%s/comm" % number, "rb") as file:
                if not file.read().startswith(b"git"):
                    continue
            place = os.readlink(b"/proc/%s/cwd" % number.encode())
            if place == real or place.startswith(real + b"/"):
                return True
    return False


def clear_unfinished(git: Git) -> None:
    """Forget a merge, rebase or cherry-pick that was under way; its commits are kept by then."""
    for name in UNFINISHED:
        path = os.path.join(git.dir, name.encode())
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.lexists(path):
            os.unlink(path)
