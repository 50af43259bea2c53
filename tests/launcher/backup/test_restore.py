"""A restored data folder is a launcher's own, and disturbs none that runs."""

from __future__ import annotations

import io
import os
import tarfile
import time

import pytest

from launcher.backup.backup import write_backup
from launcher.backup.errors import NotRestored
from launcher.backup.manifest import DATABASE, MANIFEST, Manifest
from launcher.backup.restore import restore_backup
from launcher.backup.taking import Taking
from launcher.database import Database
from launcher.errors import LaunchError
from launcher.homes.home import Homes
from launcher.people import identity
from launcher.serve import hold
from tests.launcher.backup.pictures import COURSE, row


def test_a_restored_launcher_leaves_sessions_of_the_old_folder_alone(data, tmp_path):
    """They may still run on the same engine, and write to the old folder."""
    write_backup(data, tmp_path / "b.tar")
    marks = {identity.instance_of(identity.load_secret(data), data)}
    for name in ("one", "two"):
        restore_backup(tmp_path / "b.tar", tmp_path / name)
        secret = identity.load_secret(tmp_path / name)
        marks.add(identity.instance_of(secret, tmp_path / name))
    assert len(marks) == 3


def test_old_work_is_not_due_for_removal_because_it_was_restored(data, tmp_path):
    home = data / "homes/s1" / COURSE
    os.utime(home, (1, 1))
    os.utime(home.with_name(f".delivered-{COURSE}-course.json"), (1, 1))
    write_backup(data, tmp_path / "b.tar")
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    changed = Homes(tmp_path / "there/homes").changed("s1", COURSE)
    assert time.time() - changed < 60


def test_a_folder_that_a_launcher_serves_is_left_alone(data, tmp_path):
    write_backup(data, tmp_path / "b.tar")
    there = tmp_path / "there"
    there.mkdir()
    with hold(there / "serve.lock"), pytest.raises(NotRestored, match="serves"):
        restore_backup(tmp_path / "b.tar", there)


def test_the_database_of_a_newer_launcher_is_not_put_in_place(data, tmp_path):
    database = Database.of(data)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    target = tmp_path / "b.tar"
    # This launcher would not even open it, so it is written as the newer one would
    with target.open("wb") as out, tarfile.open(fileobj=out, mode="w") as tar:
        taking = Taking(tar, tmp_path, Manifest(time.time()))
        with (data / DATABASE).open("rb") as file:
            taking.file(file, DATABASE)
        taking.folder(data)
        text = taking.manifest.as_json().encode()
        tar.addfile(row(MANIFEST, size=len(text)), io.BytesIO(text))
    with pytest.raises(LaunchError, match="newer launcher"):
        restore_backup(target, tmp_path / "there")
    assert [one.name for one in (tmp_path / "there").iterdir()] == ["serve.lock"]
