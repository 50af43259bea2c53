"""Whatever students do in their folders meanwhile, the backup is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path

import pytest

from launcher.backup import reading, taking
from launcher.backup.backup import write_backup
from launcher.backup.checking import check_backup
from launcher.backup.restore import restore_backup
from launcher.backup.taking import Taking
from launcher.database import Database
from launcher.homes.home import Homes
from launcher.links.short_links import ShortLinks
from launcher.runtimes.docker import mounts
from link_generator.link import Link
from tests.launcher.backup.pictures import COURSE, picture


def test_while_students_write_every_file_and_the_database_are_whole(data, tmp_path):
    home, ended = data / "homes/s1" / COURSE, threading.Event()
    links = ShortLinks(Database.of(data))

    def work():
        number = 0
        while not ended.is_set():
            number += 1
            new = home / ".new"
            new.write_text(f"{number}\n" * 1000)
            new.rename(home / "saved")
            (home / f"gone{number}").write_text("x")
            (home / f"gone{number}").unlink()
            links.save("week-1", Link(env="gh/o/e", tag=f"v{number}"))

    writer = threading.Thread(target=work)
    writer.start()
    try:
        for number in range(5):
            write_backup(data, tmp_path / f"b{number}.tar")
    finally:
        ended.set()
        writer.join()
    restore_backup(tmp_path / "b4.tar", tmp_path / "there")
    lines = (tmp_path / "there/homes/s1" / COURSE / "saved").read_text().split()
    assert len(lines) == 1000
    assert len(set(lines)) == 1
    assert Database.of(tmp_path / "there").check() is None


def test_what_cannot_be_taken_is_noted_and_the_rest_is_there(data, tmp_path):
    home = data / "homes/s1" / COURSE
    deep = home
    for _ in range(taking.DEEPEST + 5):
        deep = deep / "d"
    deep.mkdir(parents=True)
    made = write_backup(data, tmp_path / "b.tar")
    assert len(made.notes) == 1
    assert f"homes/s1/{COURSE}/course/week1.ipynb" in check_backup(tmp_path / "b.tar").entries


def test_a_file_with_many_names_is_taken_once_and_has_them_all_again(data, tmp_path):
    home = data / "homes/s1" / COURSE
    (home / "first").write_bytes(os.urandom(1 << 20))
    for number in range(50):
        os.link(home / "first", home / f"course/name{number}")
    other = data / "homes/s2" / COURSE
    other.mkdir(parents=True)
    os.link(home / "first", other / "in another home")
    made = write_backup(data, tmp_path / "b.tar")
    assert made.notes == []
    assert (tmp_path / "b.tar").stat().st_size < 4 << 20
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    assert picture(tmp_path / "there/homes") == {
        path: row for path, row in picture(data / "homes").items() if not path.endswith("pipe")
    }
    again = tmp_path / "there/homes/s1" / COURSE
    assert (again / "first").stat().st_nlink == 51
    assert (again / "course/name7").stat().st_ino == (again / "first").stat().st_ino
    alone = tmp_path / "there/homes/s2" / COURSE / "in another home"
    assert alone.stat().st_nlink == 1, "homes never share a file"


@pytest.mark.parametrize("times", [1, 100])
def test_a_file_with_many_names_that_changes_meanwhile_is_not_taken_each_time(
    data, tmp_path, monkeypatch, times
):
    home, left = data / "homes/s1" / COURSE, [times]
    (home / "first").write_bytes(bytes(1 << 20))
    for number in range(20):
        os.link(home / "first", home / f"name{number}")
    named = Taking._named

    def changing(taking, file, path):
        named(taking, file, path)
        if left[0]:
            left[0] -= 1
            os.utime(home / "first", (1, left[0]))

    monkeypatch.setattr(Taking, "_named", changing)
    made = write_backup(data, tmp_path / "b.tar")
    assert (tmp_path / "b.tar").stat().st_size < (taking.COPIES + 1) << 20
    assert bool(made.notes) == (times > 1)
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    again = tmp_path / "there/homes/s1" / COURSE
    assert {(again / f"name{number}").stat().st_size for number in range(20)} == {1 << 20}


def writing(monkeypatch, file, texts):
    """Somebody saves the next text while the backup is in the middle of the file."""
    monkeypatch.setattr(reading, "PIECE", 20_000)
    copied = taking.copied

    class Slow:
        def __init__(self, source):
            self.source = source

        def read(self, size):
            piece = self.source.read(size)
            if texts and self.source.tell() == size:
                file.write_text(texts.pop(0))
            return piece

    def slowly(source, target):
        mine = os.fstat(source.fileno()).st_ino == file.stat().st_ino
        return copied(Slow(source) if mine else source, target)

    monkeypatch.setattr(taking, "copied", slowly)


def taken(file, name, tmp_path):
    """What the backup has of it."""
    restore_backup(file, tmp_path / "there")
    return (tmp_path / "there" / name).read_text()


def test_a_file_that_is_saved_while_it_is_read_is_taken_whole(data, tmp_path, monkeypatch):
    name = f"homes/s1/{COURSE}/course/week1.ipynb"
    (data / name).write_text("old " * 10_000)
    writing(monkeypatch, data / name, ["middle " * 10_000, "new " * 10_000])
    made = write_backup(data, tmp_path / "b.tar")
    assert made.notes == []
    assert taken(tmp_path / "b.tar", name, tmp_path) == "new " * 10_000


def test_a_file_that_never_stands_still_is_noted_and_spoils_nothing(data, tmp_path, monkeypatch):
    name = f"homes/s1/{COURSE}/course/week1.ipynb"
    (data / name).write_text("0" * 40_000)
    writing(monkeypatch, data / name, [f"{number}" * 40_000 for number in range(1, 9)])
    made = write_backup(data, tmp_path / "b.tar")
    assert made.notes == [f"{name}: it changed while it was read"]
    assert set(taken(tmp_path / "b.tar", name, tmp_path)) == {"2", "3"}, "as it was read"
    assert (tmp_path / f"there/homes/s1/{COURSE}/course/run.sh").exists()


@pytest.fixture
def unprivileged(data, tmp_path):
    """Root may read everything; so this is somebody else, whose data folder it is."""
    if os.geteuid() != 0:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="launcher-tests-") as root:
        shutil.copytree(data, f"{root}/data", symlinks=True, ignore=shutil.ignore_patterns("pipe"))
        for path in (Path(root), *Path(root).rglob("*")):
            os.chown(path, 1000, 1000, follow_symlinks=False)
        os.seteuid(1000)
        try:
            yield Path(root, "data")
        finally:
            os.seteuid(0)


def test_files_and_folders_that_may_not_be_read_are_noted_and_the_rest_is_there(unprivileged):
    data, home = unprivileged, unprivileged / "homes/s1" / COURSE
    (home / "secret.txt").write_text("x")
    (home / "secret.txt").chmod(0)
    (home / "empty/closed").mkdir(mode=0)
    made = write_backup(data, data.with_name("b.tar"))
    there = check_backup(data.with_name("b.tar")).entries
    assert len(made.notes) == 2, made.notes
    assert any("secret.txt: Permission denied" in note for note in made.notes)
    assert any("closed: Permission denied" in note for note in made.notes)
    assert f"homes/s1/{COURSE}/secret.txt" not in there
    assert f"homes/s1/{COURSE}/course/week1.ipynb" in there


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_file_that_the_disk_does_not_give_back_is_noted_and_the_rest_is_there(data, tmp_path):
    name = f"homes/s1/{COURSE}/course/run.sh"
    mounts.bind("/proc/self/mem", data / name)  # a file whose first byte is an input/output error
    try:
        made = write_backup(data, tmp_path / "b.tar")
    finally:
        mounts.unmount(data / name)
    assert made.notes == [f"{name}: Input/output error"]
    assert f"homes/s1/{COURSE}/course/week1.ipynb" in check_backup(tmp_path / "b.tar").entries


def test_what_is_removed_while_the_backup_comes_to_it_is_no_news(data, tmp_path, monkeypatch):
    gone = data / "homes/s1" / COURSE / "course/run.sh"
    left_away = taking.is_left_away

    def removing(path):
        if path.endswith("run.sh"):
            gone.unlink()
        return left_away(path)

    monkeypatch.setattr(taking, "is_left_away", removing)
    assert write_backup(data, tmp_path / "b.tar").notes == []


def test_a_pipe_in_a_folders_place_holds_no_backup_up(data, tmp_path, monkeypatch):
    """A student swaps them between our look at the folder's name and its opening."""
    folder, opens = data / "homes/s1" / COURSE / "empty", os.open

    def swapped(path, *args, **options):
        if path == "empty" and folder.is_dir():
            folder.rmdir()
            os.mkfifo(folder)
        return opens(path, *args, **options)

    monkeypatch.setattr(os, "open", swapped)
    made = []
    thread = threading.Thread(
        target=lambda: made.append(write_backup(data, tmp_path / "b.tar")), daemon=True
    )
    thread.start()
    thread.join(60)
    assert made, "it waits for somebody who writes into the pipe"
    assert made[0].notes == [f"homes/s1/{COURSE}/empty: Not a directory"]
    assert f"homes/s1/{COURSE}/course/week1.ipynb" in check_backup(tmp_path / "b.tar").entries


def test_a_link_in_a_folders_place_is_not_followed(data, tmp_path, monkeypatch):
    folder, opens = data / "homes/s1" / COURSE / "empty", os.open
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("SECRET")

    def swapped(path, *args, **options):
        if path == "empty" and not folder.is_symlink():
            folder.rmdir()
            folder.symlink_to(tmp_path / "outside")
        return opens(path, *args, **options)

    monkeypatch.setattr(os, "open", swapped)
    write_backup(data, tmp_path / "b.tar")
    assert b"SECRET" not in (tmp_path / "b.tar").read_bytes()


def test_one_home_with_millions_of_files_does_not_fill_the_memory(data, tmp_path, monkeypatch):
    monkeypatch.setattr(taking, "ENTRIES", 30)
    many = Homes(data / "homes").path("s2", COURSE)
    (many / "inner").mkdir(parents=True)
    for number in range(50):
        (many / f"{number}").touch()
        (many / f"inner/{number}").touch()
    made = write_backup(data, tmp_path / "b.tar")
    kept = check_backup(tmp_path / "b.tar").entries
    assert sum(name.startswith(f"homes/s2/{COURSE}") for name in kept) <= 31
    assert made.notes == [
        f"homes/s2/{COURSE}: more than 30 files and folders, the others are left out"
    ]
    assert f"homes/s1/{COURSE}/course/week1.ipynb" in kept, "others have all of theirs"
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
