"""What can go wrong with a launch, beside what `envs.errors` names.

LaunchError
├── SecretGone         the data folder's secret is gone, and students' folders are there
├── BadSettings        a settings file with an unknown key or a value of the wrong kind
├── ContentNotFound    the content repository is missing or private
├── UnknownBranch      the content repository has no such branch or tag
├── PathNotFound       the file to open is not in the content
├── ContentFailed      the pull could not put the content in place
│   ├── ContentTooLarge  the settings allow less
│   └── HomeFull       the student's folder holds as much as it may
├── FolderOfAnother    the course's folder has the name of another course's
├── SessionFailed      the session's server did not start
├── NoRoom             every place is taken: the student waits in line
├── SessionGone        the session no longer runs
├── TooBusy            what the student asked for before, or too much of others, is under way
├── DiskFull           the disk of the data folder has no room for what a launch writes
└── NoRuntime          neither a Docker engine nor a local sandbox can start sessions
"""

from __future__ import annotations

import errno
from collections.abc import Sequence


class LaunchError(Exception):
    """Base of all; `hint` says the way out, `field` the part of the link that caused it."""

    field = ""

    def __init__(self, message: str, *, hint: str = "", near: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.near = tuple(near)
        """Names that exist and are close to the one that does not."""


class BadSettings(LaunchError):
    """A settings file cannot be used as it is."""


class SecretGone(LaunchError):
    """A new secret would make strangers of the students whose folders are there."""


class ContentNotFound(LaunchError):
    """The content repository does not exist or is private."""

    field = "repo"


class UnknownBranch(LaunchError):
    """The content repository has no branch or tag of this name."""

    field = "branch"


class PathNotFound(LaunchError):
    """The file or folder that the link names is not in the content."""

    field = "path"

    def __init__(
        self, message: str, *, hint: str = "", near: Sequence[str] = (), field: str = "path"
    ) -> None:
        super().__init__(message, hint=hint, near=near)
        self.field = field


class ContentFailed(LaunchError):
    """The content could not be put in place; what the student wrote is untouched."""

    field = "repo"


class ContentTooLarge(ContentFailed):
    """The content is more than the settings allow a link to bring."""


class HomeFull(ContentFailed):
    """The student's folder holds as much as it may; nothing was copied into it."""


class FolderOfAnother(LaunchError):
    """The student's folder for another course has the same name."""

    field = "repo"


class SessionFailed(LaunchError):
    """The session's server did not start."""


class NoRoom(LaunchError):
    """Every place is taken. No failure: the student has a place in line, and the launch waits."""

    def __init__(self, student: str, course: str) -> None:
        super().__init__("Every place is taken; you are in line.", hint="Open the link again.")
        self.student = student
        self.course = course


class SessionGone(LaunchError):
    """The session no longer runs."""


class TooBusy(LaunchError):
    """What this student asked for before is still under way, or too much of others is."""


class DiskFull(LaunchError):
    """Nothing can be written now. What was written before is there."""

    def __init__(self) -> None:
        super().__init__(
            "The server's disk is full, so your session cannot be prepared.",
            hint="Tell the person who runs this server. Once there is room, open the link again.",
        )


def in_words(error: Exception) -> Exception:
    """A full disk is met wherever something is written: as one error, whose page says it."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return DiskFull() if full else error


class NoRuntime(LaunchError):
    """Nothing on this machine can start sessions."""
