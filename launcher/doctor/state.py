"""What the launcher keeps: the database, and what killed processes left."""

from __future__ import annotations

from collections.abc import Iterator

from launcher.cleanup import leftovers
from launcher.config import Config
from launcher.database import Database, DatabaseTrouble
from launcher.doctor.finding import Finding
from launcher.runtimes.base import Runtime


def look(config: Config, runtime: Runtime, database: Database, *, fix: bool) -> Iterator[Finding]:
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
    older = config.builds.timeout
    found = list(leftovers.find(config.data, older=older))
    swept = runtime.sweep(older=older, dry_run=not fix)
    left = [one.what for one in found if not (fix and leftovers.remove(one))]
    removed = len(found) - len(left) + (len(swept) if fix else 0)
    left += [] if fix else swept
    yield Finding(
        "leftovers",
        not left,
        f"{len(left)}: " + ", ".join(sorted(set(left)))
        if left
        else f"{removed} removed"
        if removed
        else "none",
        "They take room only. `launcher doctor --fix` removes them, and so does `launcher serve`.",
        serious=False,
    )
