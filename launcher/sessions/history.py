"""What is remembered of a session after it is gone: enough to bring it back."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update

from launcher.database import Database
from launcher.database.tables import SESSIONS
from launcher.session import SessionSpec

BY_STUDENT = "you stopped it"
"""Why a session ended that its student ended."""


@dataclass(frozen=True)
class Remembered:
    """One session, as far as it is remembered."""

    id: str
    owner: str
    course: str
    image: str
    link: str
    started: float
    """Unix seconds."""
    ended: float = 0.0
    """Unix seconds; 0 while it runs."""
    why: str = ""

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return max(0.0, self.ended - self.started)


@dataclass(frozen=True)
class History:
    """A row per session."""

    database: Database

    def started(self, spec: SessionSpec) -> None:
        made = Remembered(spec.id, spec.owner, spec.course, spec.image, spec.link, time.time())
        with self.database.write() as connection:
            connection.execute(insert(SESSIONS), vars(made))

    def ended(self, session_id: str, why: str) -> Remembered | None:
        """The session as it is remembered now, if it had not ended before."""
        running = (SESSIONS.c.id == session_id) & (SESSIONS.c.ended == 0)
        ended = update(SESSIONS).where(running).values(ended=time.time(), why=why)
        with self.database.write() as connection:
            changed = connection.execute(ended).rowcount
        return self.find(session_id) if changed else None

    def find(self, session_id: str) -> Remembered | None:
        """The session of this id, or None; ids come from URLs, so anything else is None too."""
        if not re.fullmatch(r"[0-9a-f]{8,64}", session_id):
            return None
        with self.database.read() as connection:
            row = connection.execute(select(SESSIONS).where(SESSIONS.c.id == session_id)).first()
        return Remembered(**row._mapping) if row else None

    def all(self) -> list[Remembered]:
        """Every session that is remembered, oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(select(SESSIONS).order_by(SESSIONS.c.started)).all()
        return [Remembered(**row._mapping) for row in rows]

    def running(self) -> list[Remembered]:
        """The sessions whose end is not known."""
        with self.database.read() as connection:
            rows = connection.execute(select(SESSIONS).where(SESSIONS.c.ended == 0)).all()
        return [Remembered(**row._mapping) for row in rows]

    def newest(self, most: int) -> list[Remembered]:
        """The sessions that ended last, the last one first."""
        ended = select(SESSIONS).where(SESSIONS.c.ended > 0).order_by(SESSIONS.c.ended.desc())
        with self.database.read() as connection:
            rows = connection.execute(ended.limit(most)).all()
        return [Remembered(**row._mapping) for row in rows]

    def newest_of(self, owner: str) -> dict[str, Remembered]:
        """The student's newest session of each course."""
        mine = select(SESSIONS).where(SESSIONS.c.owner == owner).order_by(SESSIONS.c.started)
        with self.database.read() as connection:
            rows = connection.execute(mine).all()
        return {row.course: Remembered(**row._mapping) for row in rows}

    def ended_in(self, course: str, since: float) -> list[Remembered]:
        """The course's sessions that ended since then, the last one last."""
        ended = (SESSIONS.c.course == course) & (SESSIONS.c.ended > since)
        with self.database.read() as connection:
            rows = connection.execute(select(SESSIONS).where(ended).order_by(SESSIONS.c.ended))
            return [Remembered(**row._mapping) for row in rows.all()]

    def forget(self, owner: str) -> None:
        """Remember nothing of the student's sessions any more."""
        with self.database.write() as connection:
            connection.execute(delete(SESSIONS).where(SESSIONS.c.owner == owner))
