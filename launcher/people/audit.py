"""Who did what, of the things that only some may do; nothing here names a student."""

from __future__ import annotations

import getpass
import logging
import os
import time
from dataclasses import dataclass

from sqlalchemy import insert, select

from launcher.database import Database, DatabaseTrouble
from launcher.database.tables import AUDIT

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deed:
    """One thing that somebody did."""

    at: float
    """Unix seconds."""
    who: str
    what: str
    """A few words: `link changed`, `environment promoted`."""
    target: str
    """What it was done to."""
    detail: str


@dataclass(frozen=True)
class Audit:
    """Nothing is ever changed or taken out here."""

    database: Database

    def note(self, who: str, what: str, target: str = "", detail: str = "") -> None:
        """Write it down; the server's log gets it, too, and alone where the database cannot."""
        log.info("%s: %s %s", who, what, target, extra={"audit": detail})
        row = {"at": time.time(), "who": who, "what": what, "target": target, "detail": detail}
        try:
            with self.database.write() as connection:
                connection.execute(insert(AUDIT), row)
        except DatabaseTrouble as trouble:  # it is done: refusing it now would be a lie
            log.error("not in the audit log: %s", trouble)

    def last(self, most: int = 200) -> list[Deed]:
        """Newest first."""
        newest = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(most)
        with self.database.read() as connection:
            rows = connection.execute(newest).all()
        return [Deed(row.at, row.who, row.what, row.target, row.detail) for row in rows]


def at_the_terminal() -> str:
    """Who works at the command line, as far as the machine knows."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.geteuid()}"
    return f"{name} (command line)"
