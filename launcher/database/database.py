"""One SQLite file, opened by any process of this data folder, brought up to date by the first."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect
from sqlalchemy.exc import DBAPIError

from launcher.errors import LaunchError

MIGRATIONS = Path(__file__).with_name("migrations")
BUSY = 15.0
"""Seconds that a writer waits for another one."""


class DatabaseTrouble(LaunchError):
    """The database cannot be read or written now. What was committed before is there."""


@dataclass(frozen=True)
class Database:
    """Reads see one moment; writes come one after the other, each whole or not at all."""

    file: Path
    _turn: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)
    """Writers of this process wait here: one that SQLite lets wait sleeps, and looks again."""

    @classmethod
    def of(cls, data: Path) -> Database:
        """The database of this data folder."""
        return cls(data / "launcher.sqlite")

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """:raises DatabaseTrouble: it cannot be read, with why."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: committed at the end of the block, undone by an error in it.

        :raises DatabaseTrouble: it cannot be written, with why.
        """
        mine = self._turn.acquire(timeout=BUSY)
        try:
            with self._translated(), self._writing.begin() as connection:
                yield connection
        finally:
            if mine:
                self._turn.release()

    def check(self) -> str | None:
        """None when every page of the file is sound, else what is not."""
        with self.read() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
        return None if found == "ok" else str(found)

    def copy(self, target: Path) -> None:
        """Write the database as it is at this moment to a new file, while others go on."""
        target.touch(mode=0o600)
        try:
            with contextlib.closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("VACUUM INTO ?", (str(target),))
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def close(self) -> None:
        """Close its connections; it opens again when it is used again."""
        self.__dict__.pop("_writing", None)
        if engine := self.__dict__.pop("_engine", None):
            engine.dispose()

    @functools.cached_property
    def _engine(self) -> Engine:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # said better by the first statement
            os.close(os.open(self.file, os.O_CREAT | os.O_RDWR, 0o600))
        engine = create_engine(f"sqlite:///{self.file}", connect_args={"timeout": BUSY})
        event.listen(engine, "connect", prepare)
        event.listen(engine, "begin", begin)
        try:
            with self._translated():
                self._bring_up_to_date(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine

    @functools.cached_property
    def _writing(self) -> Engine:
        """The same, for those who write."""
        return self._engine.execution_options(writes=True)

    def _bring_up_to_date(self, engine: Engine) -> None:
        if revision_of(engine) == newest_revision():
            return
        with self.file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = revision_of(engine)
            if found and found > newest_revision():
                raise DatabaseTrouble(
                    f"{self.file.name} is of a newer launcher (its tables are {found}).",
                    hint="Install that launcher again; this one would not understand all of it.",
                )
            if found != newest_revision():
                migrate(engine)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._trouble(error.orig) from error

    def _trouble(self, why: object) -> DatabaseTrouble:
        return DatabaseTrouble(
            f"The database {self.file.name} cannot be used: {why}.",
            hint="Look at the disk of the data folder: `launcher doctor` does.",
        )


def prepare(connection: Any, _record: object) -> None:
    """Set up a new connection: transactions begin where we say, and count once they are told."""
    connection.isolation_level = None  # or the driver begins transactions by rules of its own
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def begin(connection: Connection) -> None:
    """Writers wait for each other here, instead of failing in the middle."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@functools.cache
def newest_revision() -> str:
    """The revision that this code needs: files of migrations begin with it."""
    return max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def revision_of(engine: Engine) -> str:
    """The revision of the tables that are there; empty for a new file."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return ""
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return str(found or "")


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to the revision, in one transaction."""
    from alembic import command  # a second of imports, needed once per release
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
