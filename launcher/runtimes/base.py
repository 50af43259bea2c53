"""What starts sessions: one Protocol, satisfied by sibling packages listed in one table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from envs.builder import Builder
from launcher.session import Session, SessionSpec

LARGEST = 64 * 1024 * 1024
"""Bytes that one command may print; it runs as the student, who may print for ever."""


@dataclass(frozen=True)
class Completed:
    """A command that ended inside a session."""

    code: int
    out: bytes
    err: bytes


class Warm(Protocol):
    """Sessions that run before their student is known; each is then given to one student.

    Until then its spec has no owner, course or link, and nobody's files are in it.
    """

    def why_not(self) -> str | None:
        """None where this can work, else the reason in a sentence; it is asked again later."""

    def start(self, spec: SessionSpec) -> Session:
        """Start a session of nobody; returns when it runs, before it answers.

        :raises launcher.errors.SessionFailed: nothing is left of it.
        """

    def settle(self, session_id: str) -> str | None:
        """Called when its server answers: None, or the reason why it cannot be given out.

        One that is claimed is left as it is.
        """

    def claim(self, spec: SessionSpec) -> bool:
        """Take the session for `spec.owner`: True exactly once, whoever asks at that instant."""

    def is_claimed(self, session_id: str) -> bool:
        """True once somebody has taken the session, or tried to."""

    def attach(self, spec: SessionSpec) -> Session:
        """Let the home, which exists, appear in the claimed session.

        :raises launcher.errors.SessionFailed: it did not; the session must be stopped.
        """

    def is_attached(self, spec: SessionSpec) -> bool:
        """True where the session sees its student's home; where it does not, this attaches it."""

    def list(self) -> list[Session]:
        """The sessions that nobody has claimed, running or ended."""

    def outdated(self) -> Collection[str]:
        """The sessions of nobody whose image's name means another image by now."""

    def sweep(self, keep: Callable[[], Collection[str]], *, unfinished: float) -> None:
        """Stop sessions of nobody that are not to be kept, and remove what is left of others.

        A claim counts as never finished when its home was not attached in `unfinished` seconds.
        """


class Runtime(Protocol):
    """Starts, finds and stops sessions, and runs commands in them as the student."""

    @property
    def name(self) -> str:
        """`docker` or `local`, as in the settings."""

    @property
    def images(self) -> Builder:
        """What builds the images that this runtime starts."""

    @property
    def attaches_folders(self) -> bool:
        """True where a folder of the host is the session's home, so the host can fill it."""

    @property
    def warm(self) -> Warm | None:
        """How sessions start before their student is known; None where they cannot."""

    def health(self) -> str | None:
        """None when sessions can start, else the reason in a sentence with the way out."""

    def folders(self) -> Sequence[Path]:
        """Folders of this machine, beside the data folder, whose disk must not fill up."""

    def describe(self) -> str:
        """One sentence on what this runtime isolates and what it does not."""

    def protect(self) -> str | None:
        """Put walls round sessions back where something took them away.

        None where all hold, else what sessions can reach that they should not, in a sentence.
        """

    def prepare_home(self, spec: SessionSpec) -> None:
        """Make `spec.home` with the ownership that its sessions need; one that exists stays."""

    def forget_home(self, owner: str, course: str) -> None:
        """Remove what the engine keeps of a home; the host's folder is for the caller to remove."""

    def start(self, spec: SessionSpec) -> Session:
        """Start the session's server; returns when it runs, before it answers.

        :raises launcher.errors.SessionFailed: with the last lines of its log.
        """

    def find(self, session_id: str) -> Session | None:
        """The session, running or ended; None when nothing of it is left."""

    def list(self, owner: str = "") -> list[Session]:
        """All sessions of this launcher (one data folder), running or ended; or one student's.

        Those that nobody has claimed are not among them.
        """

    def memory(self) -> dict[str, int]:
        """Bytes that each running session uses now, by its id; cheap enough to ask often."""

    def kills(self) -> dict[str, int]:
        """How often the kernel ended a process for want of memory, by running session.

        Cheap enough to ask every second; a session of which that is not known is missing.
        """

    def written(self) -> dict[str, int | None]:
        """Bytes that each running session wrote outside of its home, where that is kept.

        None for one whose bytes could not be counted in time, while others' could; who had no
        turn in this time is left out.
        """

    def processes(self) -> dict[str, Sequence[int]]:
        """The ids, on this machine, of each running session's processes, where they are known."""

    def stop(self, session_id: str) -> None:
        """Stop the session and remove it; its home stays. One that is gone is fine."""

    def sweep(self, *, older: float, dry_run: bool) -> Sequence[str]:
        """Remove what killed launchers left of sessions outside of the data folder, or only tell.

        What began in the last `older` seconds may still become a session.
        """

    def run(
        self,
        session_id: str,
        command: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        timeout: float = 60.0,
    ) -> Completed:
        """Run a command in the session as the student, in its home folder.

        :raises launcher.errors.SessionGone: the session does not run.
        :raises TimeoutError: it took longer; the command was ended.
        :raises launcher.errors.SessionFailed: it printed more than `LARGEST`.
        """

    def put_home_archive(self, session_id: str, archive: BinaryIO) -> None:
        """Unpack a tar into the session's home as the student, never over existing files.

        Only for runtimes where `attaches_folders` is false.
        """

    def logs(self, session_id: str, *, lines: int = 200) -> str:
        """The end of the server's own log."""

    def cut_logs(self) -> None:
        """Keep the end of the servers' logs where nothing else bounds them.

        Cheap enough to ask every second.
        """
