"""What the launcher keeps: the database, and what killed processes left."""

from __future__ import annotations

from collections.abc import Iterator

from launcher.cleanup import leftovers
from launcher.config import Config
from launcher.database import Database, DatabaseTrouble
from launcher.doctor.finding import Finding


def look(config: Config, database: Database, *, fix: bool) -> Iterator[Finding]:
    """The database's pages, then leftovers, which go with `fix`."""
    try:
        trouble = database.check()
    except DatabaseTrouble as error:
        trouble = error.message
    yield Finding(
        "database",
        trouble is None,
        trouble or f"{database.file.name} is sound",
        "Stop the launcher and restore the newest backup; keep the damaged file.",
    )
    found = list(leftovers.find(config.data, older=config.builds.timeout))
    left = [one for one in found if not (fix and leftovers.remove(one))]
    gone = f"{len(found) - len(left)} removed" if fix and found else "none"
    yield Finding(
        "leftovers",
        not left,
        f"{len(left)}: " + ", ".join(sorted({one.what for one in left})) if left else gone,
        "They take room only. `launcher doctor --fix` removes them, and so does `launcher serve`.",
        serious=False,
    )
