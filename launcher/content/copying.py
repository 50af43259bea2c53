"""Copies a prepared clone into a student's folder; blocks are shared where the filesystem can.

A program that copies takes longer to start than to copy the files of most courses.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat

LARGEST = 2**30
"""Bytes that the kernel is asked to copy at once."""
CANNOT = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ETXTBSY)
"""What filesystems say that do not copy by themselves."""
Owner = tuple[int, int]
"""User and group."""


def copy_tree(source: str, target: str, owner: Owner | None) -> None:
    """Copy a folder with modes and times to a new one; `owner` is the copies' user and group.

    Nobody else may look into the copy before it is whole. Links stay links.

    :raises OSError: it cannot be copied; a part of it may be there.
    """
    folders = [(source, target)]
    for here, there in folders:  # grows meanwhile
        os.mkdir(there, 0o700)
        with os.scandir(here) as entries:
            for entry in entries:
                path = f"{there}/{entry.name}"
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), path)
                    if owner:
                        os.chown(path, *owner, follow_symlinks=False)
                elif entry.is_dir():
                    folders.append((entry.path, path))
                else:
                    copy_file(entry.path, path, owner)
    for here, there in reversed(folders):  # what is put into a folder changes its times
        handle = os.open(there, os.O_RDONLY | os.O_DIRECTORY)
        try:
            become_like(os.stat(here), handle, owner)
        finally:
            os.close(handle)


def copy_file(source: str, target: str, owner: Owner | None) -> None:
    """Copy a file to a new one.

    :raises OSError: as `copy_tree`.
    """
    with (
        open(source, "rb", buffering=0) as here,
        open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as there,
    ):
        try:
            while os.copy_file_range(here.fileno(), there.fileno(), LARGEST):
                pass
        except OSError as error:
            if error.errno not in CANNOT:
                raise
        # Goes on where the kernel stopped, which for some filesystems is before the file's end.
        shutil.copyfileobj(here, there)
        there.flush()  # all of it, or an error: an unbuffered file may take a part in silence
        become_like(os.fstat(here.fileno()), there.fileno(), owner)


def become_like(found: os.stat_result, handle: int, owner: Owner | None) -> None:
    """Owner, mode and times of what was copied; a change of the owner would take mode bits away."""
    if owner:
        os.fchown(handle, *owner)
    os.fchmod(handle, stat.S_IMODE(found.st_mode))
    os.utime(handle, ns=(found.st_atime_ns, found.st_mtime_ns))
