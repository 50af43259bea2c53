"""A backup brings everything back on another machine, and half a backup is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile

import pytest

from launcher.backup import taking
from launcher.backup.backup import write_backup
from launcher.backup.checking import check_backup
from launcher.backup.errors import BackupFailed, BadBackup, NotRestored
from launcher.backup.restore import restore_backup
from launcher.database import Database
from launcher.links.short_links import ShortLinks
from launcher.people import identity
from launcher.people.audit import Audit
from launcher.people.people import People
from launcher.sessions.history import History
from tests.launcher.backup.pictures import COURSE, picture


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_everything_comes_back_in_another_folder(data, tmp_path, name):
    made = write_backup(data, tmp_path / name)
    assert made.notes == []
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    before = picture(data / "homes")
    links = ShortLinks(Database.of(data)).all()
    shutil.move(data, tmp_path / "gone")
    there = tmp_path / "there"
    restore_backup(tmp_path / name, there)
    after = picture(there / "homes")
    before.pop(f"s1/{COURSE}/pipe")
    assert after == before
    assert identity.load_secret(there) == identity.load_secret(tmp_path / "gone")
    assert (there / "builds/channels.json").read_text() == "builds/channels.json"
    database = Database.of(there)
    assert ShortLinks(database).all() == links
    assert len(links[0].history) == 2
    assert [user.name for user in People(database).all()] == ["ann"]
    assert [deed.what for deed in Audit(database).last()] == ["link changed"]
    (session,) = History(database).all()
    assert session.ended > 0
    assert session.why == "the server was restored from a backup"
    assert {one.name for one in there.iterdir()} & {"run", "content", "tmpabc"} == set()
    assert not list(there.glob(".restoring-*"))


def test_the_tar_keeps_no_row_of_what_is_written_or_read(data, tmp_path, monkeypatch):
    kept, adds, nexts = [], tarfile.TarFile.addfile, tarfile.TarFile.next

    def addfile(self, *args):
        kept.append(len(self.members))
        return adds(self, *args)

    def following(self):
        kept.append(len(self.members))
        return nexts(self)

    monkeypatch.setattr(tarfile.TarFile, "addfile", addfile)
    monkeypatch.setattr(tarfile.TarFile, "next", following)
    write_backup(data, tmp_path / "b.tar")
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    assert len(kept) > 20
    assert max(kept) <= 1


HALF = """
import runpy, tarfile, time
whole = tarfile.copyfileobj
def half(source, target, length, **more):
    if length < 8 << 20:
        return whole(source, target, length, **more)
    target.write(source.read(length // 2))
    target.flush()
    print("half", flush=True)
    time.sleep(600)
tarfile.copyfileobj = half
runpy.run_module("launcher", run_name="__main__")
"""


def test_a_killed_backup_leaves_no_file_of_that_name(data, tmp_path):
    (data / "homes/s1" / COURSE / "big").write_bytes(os.urandom(8 << 20))
    target = tmp_path / "b.tar"
    command = [sys.executable, "-c", HALF, "backup", str(target), "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"half\n"
        process.kill()
    assert not target.exists()
    (part,) = (one for one in tmp_path.glob(".b.tar.*") if one.is_file())
    assert part.stat().st_size > 4 << 20
    with pytest.raises(BadBackup):
        check_backup(part)


def test_a_backup_that_is_told_to_end_leaves_nothing(data, tmp_path):
    (data / "homes/s1" / COURSE / "big").write_bytes(os.urandom(8 << 20))
    command = [sys.executable, "-c", HALF, "backup", str(tmp_path / "b.tar"), "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"half\n"
        process.terminate()
        assert process.wait(60) == 143
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


def test_whatever_a_kill_leaves_is_named_for_the_backup(data, tmp_path, monkeypatch):
    names = []

    def copy(database, target):
        names.extend(one.name for one in tmp_path.iterdir() if one != data)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Database, "copy", copy)
    with pytest.raises(BackupFailed):
        write_backup(data, tmp_path / "b.tar.gz")
    assert len(names) == 2, "the file, and a folder for the copy of the database"
    assert all(name.startswith(".b.tar.gz.") for name in names)


def test_a_full_disk_is_said_and_leaves_no_backup(data, tmp_path, monkeypatch):
    copied = taking.copied

    def full(source, target):
        copied(source, target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(taking, "copied", full)
    with pytest.raises(BackupFailed, match="No space left"):
        write_backup(data, tmp_path / "b.tar")
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("place", ["data", "serving"])
def test_nothing_that_is_there_is_written_over(data, tmp_path, place):
    write_backup(data, tmp_path / "b.tar")
    with pytest.raises(BackupFailed, match="exists already"):
        write_backup(data, tmp_path / "b.tar")
    before = picture(data)
    with pytest.raises(NotRestored, match="not empty"):
        restore_backup(tmp_path / "b.tar", data)
    assert picture(data) == before


def test_a_file_inside_the_data_folder_is_no_place_for_a_backup(data):
    with pytest.raises(BackupFailed, match="data folder itself"):
        write_backup(data, data / "homes/b.tar")
