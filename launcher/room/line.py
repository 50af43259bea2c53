"""The places in line, kept in the database, so that a restart of the launcher loses none."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, delete, insert, select

from launcher.database import Database, DatabaseTrouble
from launcher.database.tables import PLACES

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""A student and a course."""


@dataclass(frozen=True)
class Kept:
    """A place in line."""

    student: str
    course: str
    image: str
    joined: float
    """Unix seconds."""


class Line:
    """Without a database it lasts as long as this object."""

    def __init__(self, database: Database | None) -> None:
        self.database = database

    def all(self) -> list[Kept]:
        """Every place, the first one first."""
        if self.database is None:
            return []
        with self.database.read() as connection:
            rows = connection.execute(select(PLACES).order_by(PLACES.c.id)).all()
        return [Kept(row.student, row.course, row.image, row.joined) for row in rows]

    def join(self, student: str, course: str, image: str) -> Kept:
        """A new place at the end."""
        kept = Kept(student, course, image, time.time())
        if self.database is not None:
            with unless_it_fails(), self.database.write() as connection:
                connection.execute(delete(PLACES).where(at(student, course)))
                connection.execute(insert(PLACES), asdict(kept))
        return kept

    def leave(self, student: str, course: str) -> None:
        """Remove the place; one that is gone is fine."""
        if self.database is not None:
            with unless_it_fails(), self.database.write() as connection:
                connection.execute(delete(PLACES).where(at(student, course)))


def at(student: str, course: str) -> ColumnElement[bool]:
    return (PLACES.c.student == student) & (PLACES.c.course == course)


@contextlib.contextmanager
def unless_it_fails() -> Iterator[None]:
    """A full disk costs the line its memory of a restart, not the students their places."""
    try:
        yield
    except DatabaseTrouble as error:
        log.warning("the line is not kept: %s", error)
