"""A backup becomes a data folder again: checked as a whole, then put in place.

Its links are made last, when nothing is written any more: none can lead a file elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tarfile
import tempfile
import time
from pathlib import Path

from sqlalchemy import update

from envs.atomic import sync_folder
from launcher.backup.checking import compared, entries_of, read_entry, tar_manifest
from launcher.backup.errors import BadBackup, NotRestored
from launcher.backup.manifest import DATABASE, MANIFEST, Entry, Manifest
from launcher.backup.placing import Placing, own
from launcher.database import Database
from launcher.database.tables import SESSIONS
from launcher.homes.home import Homes
from launcher.people.identity import RESTORED

LAST = ("secret.key", DATABASE)
"""What makes a folder a launcher's is put in place in the end."""
MAY_BE_THERE = {"serve.lock", "lost+found"}


def restore_backup(file: Path, data: Path) -> Manifest:
    """Make `data`, which must be empty, what it was when the backup was made.

    :raises BadBackup: the file is not whole.
    :raises NotRestored: the folder is not empty, in use, or cannot be written.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if there := sorted({one.name for one in data.iterdir()} - MAY_BE_THERE):
            raise NotRestored(
                f"{data} is not empty: it has {', '.join(there[:3])}.",
                hint="Restore into a new folder (--data), or move what is there away first.",
            )
        with (data / "serve.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise NotRestored(f"A launcher serves {data}.", hint="Stop it first.") from error
            stage = Path(tempfile.mkdtemp(dir=data, prefix=".restoring-"))
            try:
                manifest = unpack(file, stage)
                settle(stage)
                put_in_place(stage, data)
                return manifest
            finally:
                shutil.rmtree(stage, ignore_errors=True)
    except OSError as error:
        raise NotRestored(
            f"The backup could not be restored: {error.strerror or error}.",
            hint=f"Look at the disk of {data}.",
        ) from error


def unpack(file: Path, stage: Path) -> Manifest:
    """Everything into the new folder; files first, then rights of folders, then links."""
    found: dict[str, Entry] = {}
    placing = Placing(stage)
    folders: list[tarfile.TarInfo] = []
    links: list[tarfile.TarInfo] = []
    with entries_of(file) as (tar, rows):
        for row in rows:
            if row.name in found:
                raise BadBackup(f"{file} has {row.name[:100]!r} twice.")
            wanted = False
            if row.name == MANIFEST or placing.is_left_out(row.name):
                pass
            elif row.isdir():
                folders += [row] if placing.folder(row) else []
            elif row.issym():
                links.append(row)
            elif row.islnk():
                placing.name(row)
            else:
                wanted = placing.file(row)
            path = stage / row.name if wanted else None
            found[row.name] = read_entry(row, tar, path)
            if path:
                own(path, row)
    manifest = compared(found, tar_manifest(found, rows.last))
    for row in links:
        (stage / row.name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for row in links:
        if placing.link(row):
            own(stage / row.name, row)
    for row in reversed(folders):
        own(stage / row.name, row)
    manifest.notes.extend(placing.notes)
    return manifest


def settle(stage: Path) -> None:
    """Check the database, and let it know that what ran then does not run here."""
    database = Database.of(stage)
    try:
        if trouble := database.check():
            raise BadBackup(f"The database in the backup is damaged: {trouble}.")
        running = update(SESSIONS).where(SESSIONS.c.ended == 0)
        why = "the server was restored from a backup"
        with database.write() as connection:
            connection.execute(running.values(ended=time.time(), why=why))
    finally:
        database.close()
    (stage / RESTORED).write_text(secrets.token_hex(8))
    homes = Homes(stage / "homes")
    for student in homes.students():
        for course in homes.courses(student):
            os.utime(homes.path(student, course))  # or old work would be due at once


def put_in_place(stage: Path, data: Path) -> None:
    names = sorted(one.name for one in stage.iterdir())
    for name in [*(one for one in names if one not in LAST), *LAST]:
        if name in names:
            (stage / name).rename(data / name)
    data.chmod(0o700)
    os.sync()
    sync_folder(data)
