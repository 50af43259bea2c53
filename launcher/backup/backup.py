"""One file with all that cannot be made again: database, links, students' folders, secrets.

It is a tar whose last entry lists every other one with its checksum; without that it is no backup.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO, Any

from envs.atomic import sync_folder
from launcher.backup.checking import check_backup
from launcher.backup.errors import BackupFailed
from launcher.backup.manifest import DATABASE, MANIFEST, Manifest
from launcher.backup.taking import Taking
from launcher.database import Database


def write_backup(data: Path, target: Path) -> Manifest:
    """Write everything of the data folder to `target`, while the launcher may go on.

    Each file is whole as it was at some moment, and the database as it was at one. `target` appears
    when all of it is on the disk and was read back.

    :raises BackupFailed: with why.
    """
    target = target.absolute()
    if not (data / "secret.key").exists():
        raise BackupFailed(f"{data} is no data folder of a launcher.", hint="Name it with --data.")
    if target.exists():
        raise BackupFailed(f"{target} exists already.", hint="Choose another name, with the date.")
    if target.parent.resolve().is_relative_to(data.resolve()):
        raise BackupFailed(
            f"{target} is in the data folder itself.", hint="Put it on another disk."
        )
    part = None
    try:
        # What a kill leaves there has such a name, by which deploy/ removes it; mode 600.
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        part = Path(name)
        with os.fdopen(handle, "wb") as out:
            manifest = fill(out, data, target)
            out.flush()
            os.fsync(out.fileno())
        check_backup(part)
        part.rename(target)
        sync_folder(target.parent)
        return manifest
    except OSError as error:
        raise BackupFailed(
            f"The backup could not be written: {error.strerror or error}.",
            hint=f"Look at the disk of {target.parent}. There is no file {target.name}.",
        ) from error
    finally:
        if part:
            part.unlink(missing_ok=True)


def fill(out: IO[bytes], data: Path, target: Path) -> Manifest:
    """Write the tar, and its list as the last entry; beside `target` there is room."""
    room = target.parent
    with contextlib.ExitStack() as opened:
        stream: Any = out
        if target.suffix in (".gz", ".tgz"):
            stream = opened.enter_context(gzip.GzipFile("", "wb", 1, out))
        tar = opened.enter_context(
            tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT)
        )
        taking = Taking(tar, room, Manifest(time.time()))
        with tempfile.TemporaryDirectory(dir=room, prefix=f".{target.name}.") as folder:
            database_copy = Path(folder, DATABASE)
            with contextlib.closing(Database.of(data)) as database:
                database.copy(database_copy)
            with database_copy.open("rb") as file:
                taking.file(file, DATABASE)
        taking.folder(data)
        text = taking.manifest.as_json().encode()
        row = tarfile.TarInfo(MANIFEST)
        row.size, row.mode = len(text), 0o600
        tar.addfile(row, io.BytesIO(text))
    return taking.manifest
