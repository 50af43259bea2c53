"""A session: one student's running server for one course. No I/O here."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOME_IN_SESSION = "/home/jovyan"
"""Where every session sees the student's folder for the course, and Jupyter's root folder."""


EGRESS = ("none", "web", "open")
"""What sessions may reach outside, strictest first: nothing; names, http, https and git; anything
public. Never each other, this machine or private networks."""


@dataclass(frozen=True)
class Limits:
    """What one session may use."""

    memory: int
    """Bytes."""
    cpus: float
    processes: int
    disk: int = 0
    """Bytes of the home folder, and of what is written elsewhere; 0 is no limit."""
    tmp: int = 512 * 1024**2
    """Bytes of /tmp, which count as memory; never more than half of that."""
    files: int = 0
    """Files and folders of the home folder; 0 is no limit."""

    @property
    def tmp_size(self) -> int:
        """Bytes that /tmp may hold."""
        return min(self.tmp, self.memory // 2) if self.memory else self.tmp

    @property
    def shared_size(self) -> int:
        """Bytes that /dev/shm may hold."""
        return min(self.tmp_size, self.memory // 4) if self.memory else self.tmp_size


@dataclass(frozen=True)
class SessionSpec:
    """Everything that a runtime needs to start a session, and all that its labels keep."""

    id: str
    owner: str
    """The student."""
    course: str
    image: str
    link: str
    """The query string of the link that started it, to bring it back later."""
    token: str
    """Jupyter's token; never in a label: `session_token` gives it again."""
    home: Path
    """The student's folder for this course, on the host."""
    limits: Limits
    egress: str = "web"
    """One of `EGRESS`."""

    @property
    def base_url(self) -> str:
        return f"/s/{self.id}/"


@dataclass(frozen=True)
class Session:
    """A session as the runtime sees it now."""

    id: str
    owner: str
    course: str
    image: str
    link: str
    started: float
    """Unix seconds."""
    address: str
    """`http://HOST:PORT` where its server answers; empty when it does not run."""
    running: bool
    ended: str = ""
    """Why it does not run, for people: `exit code 137`, `stopped`."""
    egress: str = "web"
    answered: bool = False
    """True where its server is known to serve requests."""


def new_session_id() -> str:
    """An id that cannot be guessed, of characters that need no quoting anywhere."""
    return secrets.token_hex(12)


def session_token(secret: bytes, session_id: str) -> str:
    """Jupyter's token of a session: derived, so that a restart knows it without storing it."""
    return hmac.new(secret, f"session {session_id}".encode(), hashlib.sha256).hexdigest()


def session_json(session: Session) -> dict[str, Any]:
    """A session as lists show it: nothing secret."""
    return {
        "id": session.id,
        "owner": session.owner,
        "course": session.course,
        "image": session.image,
        "started": session.started,
        "running": session.running,
        "ended": session.ended,
        "link": session.link,
        "url": f"/s/{session.id}/lab",
    }
