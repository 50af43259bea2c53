"""The classes that are known: weekly ones from the settings, single ones from the database."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from sqlalchemy import delete, insert, select

from launcher.classes.times import LONGEST, BadClassTime, ClassTime, Weekly
from launcher.database import Database, DatabaseTrouble
from launcher.database.tables import CLASSES

log = logging.getLogger(__name__)


@dataclass
class Classes:
    """Every class that is known."""

    database: Database
    weekly: tuple[Weekly, ...] = ()
    patience: float = 5.0
    """Seconds in which `wanted` does not look again."""
    _looked: float = field(default=float("-inf"))
    _known: list[ClassTime] = field(default_factory=list)

    def add(self, one: ClassTime, *, now: float) -> ClassTime:
        """Remember the class.

        :raises BadClassTime: see `check`.
        """
        check(one, now=now)
        row = {name: value for name, value in asdict(one).items() if name != "id"}
        with self.database.write() as connection:
            made = connection.execute(insert(CLASSES), row).inserted_primary_key
        return replace(one, id=made[0] if made else 0)

    def cancel(self, number: int) -> bool:
        """False where there is no such class."""
        with self.database.write() as connection:
            gone = connection.execute(delete(CLASSES).where(CLASSES.c.id == number))
        return bool(gone.rowcount)

    def coming(self, now: float) -> list[ClassTime]:
        """Classes that are on or to come, the next one first; of weekly ones one each."""
        with self.database.read() as connection:
            rows = connection.execute(select(CLASSES)).all()
        known = [ClassTime(**row._mapping) for row in rows]
        known += [one.next(now) for one in self.weekly]
        return sorted((one for one in known if one.ends > now), key=lambda one: one.starts)

    def near(self, now: float) -> list[ClassTime]:
        """Those for which sessions should be ready now."""
        return [one for one in self.coming(now) if one.is_near(now)]

    def wanted(self) -> Mapping[str, int]:
        """How many students will come for each environment; classes at one time add up."""
        if time.monotonic() - self._looked > self.patience:
            self._looked = time.monotonic()
            try:
                self._known = self.near(time.time())
            except DatabaseTrouble as error:  # what was known a moment ago is still the best
                log.warning("class times cannot be read: %s", error)
        found: dict[str, int] = {}
        for one in self._known:
            found[one.env] = found.get(one.env, 0) + one.students
        return found


def check(one: ClassTime, *, now: float) -> None:
    """:raises BadClassTime: it is over, or asks for nothing or for too much."""
    if one.students < 1:
        raise BadClassTime("A class has at least one student.", field="students")
    if one.ends <= now:
        hint = "Give a later one, such as 2099-11-24T10:00."
        raise BadClassTime("That time is over.", hint=hint, field="at")
    if one.lasts > LONGEST:
        raise BadClassTime("Sessions are kept ready for 12 h at most.", field="lasts")
