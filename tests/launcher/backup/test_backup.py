"""A backup brings everything back on another machine, and half a backup is none."""

from __future__ import annotations

import errno
import gzip
import io
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

import pytest

from launcher.backup import backup, restore
from launcher.backup.backup import MANIFEST, BackupFailed, write_backup
from launcher.backup.restore import BadBackup, NotRestored, check_backup, restore_backup
from launcher.database import Database
from launcher.homes.home import Homes
from launcher.links.short_links import ShortLinks
from launcher.people import identity
from launcher.people.audit import Audit
from launcher.people.people import People, Role
from launcher.runtimes.docker import mounts
from launcher.session import Limits, SessionSpec
from launcher.sessions.history import History
from link_generator.link import Link

COURSE = "intro-0a1b2c3d"


@pytest.fixture
def data(tmp_path):
    """A data folder as a launcher leaves it, with what students do to their own folders."""
    data = tmp_path / "data"
    identity.load_secret(data)
    database = Database.of(data)
    people = People(database)
    people.add("ann", Role.INSTRUCTOR)
    ShortLinks(database).save("week-1", Link(env="gh/o/e", tag="v1"), who="ann")
    ShortLinks(database).save("week-1", Link(env="gh/o/e", tag="v2"), who="ann")
    Audit(database).note("ann", "link changed", "week-1")
    home = Homes(data / "homes").path("s1", COURSE)
    spec = SessionSpec(
        "ab" * 12, "s1", COURSE, "image", "/launch?env=x", "t", home, Limits(1, 1, 1)
    )
    History(database).started(spec)
    (home / "course/.git/objects").mkdir(parents=True)
    (home / "course/week1.ipynb").write_text("mine")
    (home / "course/run.sh").write_text("#!/bin/sh")
    (home / "course/run.sh").chmod(0o750)
    (home / "course/.git/objects/ab").write_bytes(os.urandom(3000))
    (home / "empty").mkdir()
    (home / "link").symlink_to("/etc/passwd")
    (home / "outside").symlink_to("/etc")
    Path(os.fsdecode(os.fsencode(home) + b"/caf\xe9.txt")).write_text("x")
    os.mkfifo(home / "pipe")
    home.with_name(f".delivered-{COURSE}-course.json").write_text("{}")
    for name in ("builds/channels.json", "content/mirrors/x/HEAD", "run/routes.json", "tmpabc"):
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(name)
    if os.geteuid() == 0:
        os.chown(home / "course/week1.ipynb", 1000, 1000)
    database.close()
    return data


def picture(folder: Path, *, but: tuple[str, ...] = ()):
    """Every file, link and folder with its content, rights and owner."""
    found = {}
    for path in folder.rglob("*"):
        if path.name in but:
            continue
        row = path.lstat()
        inside = b""
        if path.is_symlink():
            inside = os.fsencode(os.readlink(path))
        elif path.is_file():
            inside = path.read_bytes()
        found[str(path.relative_to(folder))] = (row.st_mode, row.st_uid, row.st_gid, inside)
    return found


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


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_a_backup_that_was_cut_off_is_never_taken_for_a_good_one(data, tmp_path, name):
    write_backup(data, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    cut, there = tmp_path / f"cut-{name}", tmp_path / "there"
    # Tar ends with empty blocks, of which a reader needs none
    ends = len(whole) - 1 if name.endswith("gz") else len(whole.rstrip(b"\0")) - 1
    steps = sorted({0, 1, 511, 512, 513, ends, *range(0, ends, max(1, ends // 40))})
    for length in steps:
        cut.write_bytes(whole[:length])
        with pytest.raises(BadBackup):
            check_backup(cut)
    for length in (steps[0], steps[len(steps) // 2], ends):
        cut.write_bytes(whole[:length])
        with pytest.raises(BadBackup):
            restore_backup(cut, there)
        assert [one.name for one in there.iterdir()] == ["serve.lock"]


def test_a_bit_that_fell_over_is_found(data, tmp_path):
    write_backup(data, tmp_path / "b.tar")
    whole = bytearray((tmp_path / "b.tar").read_bytes())
    whole[whole.index(b"#!/bin/sh")] ^= 1
    (tmp_path / "b.tar").write_bytes(whole)
    with pytest.raises(BadBackup, match="run"):
        check_backup(tmp_path / "b.tar")
    with pytest.raises(BadBackup, match="run"):
        restore_backup(tmp_path / "b.tar", tmp_path / "there")
    assert [one.name for one in (tmp_path / "there").iterdir()] == ["serve.lock"]


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
    copied = backup.copied

    def full(source, target):
        copied(source, target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup, "copied", full)
    with pytest.raises(BackupFailed, match="No space left"):
        write_backup(data, tmp_path / "b.tar")
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


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
    for _ in range(backup.DEEPEST + 5):
        deep = deep / "d"
    deep.mkdir(parents=True)
    made = write_backup(data, tmp_path / "b.tar")
    assert len(made.notes) == 1
    assert f"homes/s1/{COURSE}/course/week1.ipynb" in check_backup(tmp_path / "b.tar").entries


@pytest.fixture
def holes(data):
    """Files that are far larger than what the disk holds of them."""
    home = data / "homes/s1" / COURSE
    with (home / "empty.bin").open("wb") as file:
        file.truncate(1 << 40)
    with (home / "caf\xe9.h5").open("wb") as file:
        file.write(b"begin")
        for at in (5 << 20, 1 << 33):
            file.seek(at)
            file.write(os.urandom(3 << 20))
        file.truncate((1 << 34) + 1)
    return home


def shape(path):
    """The size of a file, and what is where in it."""
    with path.open("rb") as file:
        found = []
        for start, length in backup.segments(file.fileno(), path.stat()) or []:
            file.seek(start)
            if length:
                found.append((start, length, file.read(length)))
    return path.stat().st_size, found


@pytest.mark.parametrize("name", ["b.tar", "b.tar.gz"])
def test_holes_cost_nothing_and_come_back_as_holes(data, holes, tmp_path, name):
    made = write_backup(data, tmp_path / name)
    assert made.notes == []
    assert made.size < 10 << 20
    assert (tmp_path / name).stat().st_size < 10 << 20
    restore_backup(tmp_path / name, tmp_path / "there")
    for path in (holes / "empty.bin", holes / "caf\xe9.h5"):
        back = tmp_path / "there" / path.relative_to(data)
        assert shape(back) == shape(path)
        assert len(shape(path)[1]) == (3 if path.suffix == ".h5" else 0)
        assert back.stat().st_blocks * 512 < 10 << 20


def test_other_programs_read_files_with_holes(data, holes, tmp_path):
    write_backup(data, tmp_path / "b.tar")
    there = tmp_path / "there"
    there.mkdir()
    subprocess.run(["tar", "-xf", str(tmp_path / "b.tar"), "-C", str(there)], check=True)
    path = holes / "caf\xe9.h5"
    assert shape(there / path.relative_to(data)) == shape(path)


def test_a_file_with_holes_that_shrinks_while_it_is_read_spoils_nothing(
    data, holes, tmp_path, monkeypatch
):
    copied, path = backup.copied_parts, holes / "caf\xe9.h5"

    def shrinking(source, target, parts, size):
        if path.stat().st_size == size > 6 << 20:
            os.truncate(path, 6 << 20)
        return copied(source, target, parts, size)

    monkeypatch.setattr(backup, "copied_parts", shrinking)
    assert write_backup(data, tmp_path / "b.tar").notes == [], "it was read again"
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    assert shape(tmp_path / "there" / path.relative_to(data)) == shape(path)


def test_a_file_with_holes_that_always_grows_is_noted_and_spoils_nothing(
    data, holes, tmp_path, monkeypatch
):
    segments, path = backup.segments, holes / "empty.bin"
    name = str(path.relative_to(data))

    def growing(handle, found):
        if found.st_ino == path.stat().st_ino:
            with path.open("r+b") as file:
                file.seek(found.st_size + (1 << 20))
                file.write(b"more")
                file.truncate(found.st_size + (1 << 22))  # again with a hole at its end
        return segments(handle, found)

    monkeypatch.setattr(backup, "segments", growing)
    made = write_backup(data, tmp_path / "b.tar")
    assert made.notes == [f"{name}: it changed while it was read"]
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    size, parts = shape(tmp_path / "there" / name)
    assert 1 << 40 < size < path.stat().st_size
    assert [content.rstrip(b"\0") for _, _, content in parts] == [b"more"] * 2, "the last look's"


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


def test_a_file_with_holes_may_have_more_data_than_a_number_of_a_tar(tmp_path):
    data, file = 9 << 30, tmp_path / "b.tar"
    big = backup.RowWithHoles("caf\xe9.h5")
    big.size, big.pax_headers = data + tarfile.BLOCKSIZE, backup.sparse_headers(2 * data)
    with file.open("wb") as out:
        out.write(big.tobuf(tarfile.PAX_FORMAT))
        out.write(f"1\n{data}\n{data}\n".encode().ljust(tarfile.BLOCKSIZE, b"\0"))
        out.seek(data, os.SEEK_CUR)
        out.write(row("after").tobuf(tarfile.PAX_FORMAT))
        out.write(b"x".ljust(3 * tarfile.BLOCKSIZE, b"\0"))
    with restore.entries_of(file) as (tar, _):
        first, after = tar.next(), tar.next()
        assert (first.name, first.size, first.sparse) == ("caf\xe9.h5", 2 * data, [(data, data)])
        assert tar.extractfile(after).read() == b"x"
    listed = subprocess.check_output(["tar", "-tvf", str(file)], text=True).splitlines()
    assert [line.split()[2] for line in listed] == [str(2 * data), "1"]


def test_such_a_number_stands_in_the_header_of_a_whole_backup(data, holes, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "OCTAL", 1)
    write_backup(data, tmp_path / "b.tar.gz")
    restore_backup(tmp_path / "b.tar.gz", tmp_path / "there")
    for path in (holes / "empty.bin", holes / "caf\xe9.h5"):
        assert shape(tmp_path / "there" / path.relative_to(data)) == shape(path)


@pytest.fixture
def small_files():
    """As on a disk that has none larger than 64 MB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_the_new_disk_cannot_have_is_left_out_and_the_rest_comes_back(
    data, holes, tmp_path, small_files
):
    os.link(holes / "empty.bin", holes / "other name")
    (holes / "far").symlink_to("x" * 1000)
    assert write_backup(data, tmp_path / "b.tar").notes == []
    made = restore_backup(tmp_path / "b.tar", tmp_path / "there")
    home = f"homes/s1/{COURSE}"
    assert made.notes == [
        f"{home}/caf\xe9.h5: left out, this disk cannot have it (File too large)",
        f"{home}/empty.bin: left out, this disk cannot have it (File too large)",
        f"{home}/other name: left out, its other name is left out",
    ]
    before = picture(data / "homes", but=("pipe", "caf\xe9.h5", "empty.bin", "other name"))
    assert picture(tmp_path / "there/homes") == before


def test_a_folder_that_the_new_disk_cannot_have_is_left_out_with_all_in_it(
    data, tmp_path, monkeypatch
):
    home = data / "homes/s1" / COURSE
    (home / "odd/below").mkdir(parents=True)
    (home / "odd/a.txt").write_text("a")
    (home / "odd/below/b.txt").write_text("b")
    (home / "odd/link").symlink_to("a.txt")
    os.link(home / "odd/a.txt", home / "odd/below/same")
    (home / "pair").mkdir()
    os.link(home / "odd/a.txt", home / "pair/same")
    write_backup(data, tmp_path / "b.tar")
    mkdir = Path.mkdir

    def refused(path, *how, **more):
        if path.name == "odd":
            raise OSError(errno.EILSEQ, "Invalid or incomplete multibyte or wide character")
        mkdir(path, *how, **more)

    monkeypatch.setattr(Path, "mkdir", refused)
    assert restore_backup(tmp_path / "b.tar", tmp_path / "there").notes == [
        f"homes/s1/{COURSE}/odd: left out, this disk cannot have it (Invalid or incomplete "
        "multibyte or wide character)",
        f"homes/s1/{COURSE}/pair/same: left out, its other name is left out",
    ]
    shutil.rmtree(home / "odd")
    assert picture(tmp_path / "there/homes") == picture(data / "homes", but=("pipe", "same"))


def test_a_link_that_the_new_disk_cannot_have_is_left_out(data, tmp_path, monkeypatch):
    write_backup(data, tmp_path / "b.tar")
    symlink_to = Path.symlink_to

    def short(path, target):
        if len(str(target)) > 5:
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        symlink_to(path, target)

    monkeypatch.setattr(Path, "symlink_to", short)
    made = restore_backup(tmp_path / "b.tar", tmp_path / "there")
    assert [note.partition(": ")[0] for note in made.notes] == [f"homes/s1/{COURSE}/link"]
    assert picture(tmp_path / "there/homes") == picture(data / "homes", but=("pipe", "link"))


def test_a_file_with_more_names_than_the_new_disk_has_for_one_is_copied(
    data, holes, tmp_path, monkeypatch
):
    for number in range(20):
        os.link(holes / "caf\xe9.h5", holes / f"name{number:02}")
    write_backup(data, tmp_path / "b.tar")
    link = os.link

    def few(source, target, **how):
        if os.stat(source).st_nlink == 8:
            raise OSError(errno.EMLINK, "Too many links")
        link(source, target, **how)

    monkeypatch.setattr(os, "link", few)
    assert restore_backup(tmp_path / "b.tar", tmp_path / "there").notes == []
    names = sorted((tmp_path / "there/homes/s1" / COURSE).glob("name*"))
    assert len(names) == 20
    assert len({one.stat().st_ino for one in names}) == 3
    for one in (names[0], names[-1]):
        assert shape(one) == shape(holes / "caf\xe9.h5")
        assert one.stat().st_blocks * 512 < 10 << 20
        assert one.stat().st_mtime == pytest.approx((holes / "name00").stat().st_mtime)


def test_without_its_own_files_nothing_is_restored(data, tmp_path, monkeypatch):
    write_backup(data, tmp_path / "b.tar")
    file = restore.Placing.file

    def refused(placing, row):
        if row.name == "secret.key":
            monkeypatch.setattr(Path, "open", too_large)
        return file(placing, row)

    def too_large(*_):
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(restore.Placing, "file", refused)
    with pytest.raises(NotRestored, match="File too large"):
        restore_backup(tmp_path / "b.tar", tmp_path / "there")


@pytest.mark.parametrize("times", [1, 100])
def test_a_file_with_many_names_that_changes_meanwhile_is_not_taken_each_time(
    data, tmp_path, monkeypatch, times
):
    home, left = data / "homes/s1" / COURSE, [times]
    (home / "first").write_bytes(bytes(1 << 20))
    for number in range(20):
        os.link(home / "first", home / f"name{number}")
    named = backup.Taking._named

    def changing(taking, file, path):
        named(taking, file, path)
        if left[0]:
            left[0] -= 1
            os.utime(home / "first", (1, left[0]))

    monkeypatch.setattr(backup.Taking, "_named", changing)
    made = write_backup(data, tmp_path / "b.tar")
    assert (tmp_path / "b.tar").stat().st_size < (backup.COPIES + 1) << 20
    assert bool(made.notes) == (times > 1)
    restore_backup(tmp_path / "b.tar", tmp_path / "there")
    again = tmp_path / "there/homes/s1" / COURSE
    assert {(again / f"name{number}").stat().st_size for number in range(20)} == {1 << 20}


def writing(monkeypatch, file, texts):
    """Somebody saves the next text while the backup is in the middle of the file."""
    monkeypatch.setattr(backup, "PIECE", 20_000)
    copied = backup.copied

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

    monkeypatch.setattr(backup, "copied", slowly)


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
    left_away = backup.is_left_away

    def removing(path):
        if path.endswith("run.sh"):
            gone.unlink()
        return left_away(path)

    monkeypatch.setattr(backup, "is_left_away", removing)
    assert write_backup(data, tmp_path / "b.tar").notes == []


@pytest.mark.parametrize("place", ["data", "serving"])
def test_nothing_that_is_there_is_written_over(data, tmp_path, place):
    write_backup(data, tmp_path / "b.tar")
    with pytest.raises(BackupFailed, match="exists already"):
        write_backup(data, tmp_path / "b.tar")
    before = picture(data)
    with pytest.raises(NotRestored, match="not empty"):
        restore_backup(tmp_path / "b.tar", data)
    assert picture(data) == before


def test_a_folder_that_a_launcher_serves_is_left_alone(data, tmp_path):
    from launcher.serve import hold

    write_backup(data, tmp_path / "b.tar")
    there = tmp_path / "there"
    there.mkdir()
    with hold(there / "serve.lock"), pytest.raises(NotRestored, match="serves"):
        restore_backup(tmp_path / "b.tar", there)


def test_a_file_inside_the_data_folder_is_no_place_for_a_backup(data):
    with pytest.raises(BackupFailed, match="data folder itself"):
        write_backup(data, data / "homes/b.tar")


def crafted(path: Path, *rows: tarfile.TarInfo):
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for row in rows:
            tar.addfile(row, io.BytesIO(getattr(row, "content", b"x" * row.size)))
    return path


def row(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 1):
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size if kind == tarfile.REGTYPE else 0
    return made


class WithContent(tarfile.TarInfo):
    """An entry that knows what is in it."""


def sparse(name: str, table: bytes):
    """A file of ten bytes with this map of its data."""
    made = WithContent(name)
    made.size = tarfile.BLOCKSIZE
    made.pax_headers = backup.sparse_headers(10)
    made.content = table + bytes(tarfile.BLOCKSIZE - len(table))
    return made


@pytest.mark.parametrize(
    "rows",
    [
        [row("../evil")],
        [row("/tmp/evil")],
        [row("homes/../../evil")],
        [row("homes", tarfile.SYMTYPE, "/tmp"), row("homes/evil")],
        [row("a", tarfile.LNKTYPE, "/etc/passwd")],
        [row("a", tarfile.LNKTYPE, "../../secret")],
        [row("homes/s/c/a", tarfile.LNKTYPE, "homes/s/c/a")],
        [row("homes/s/c", tarfile.DIRTYPE), row("homes/s/c/a", tarfile.LNKTYPE, "homes/s/c")],
        [
            row("homes/s/c/l", tarfile.SYMTYPE, "/etc/passwd"),
            row("homes/s/c/a", tarfile.LNKTYPE, "homes/s/c/l"),
        ],
        [row("homes/s/c/a"), row("homes/s/d/a", tarfile.LNKTYPE, "homes/s/c/a")],
        [row("secret.key"), row("homes/s/c/a", tarfile.LNKTYPE, "secret.key")],
        [sparse("a", b"2\n0\n1\n0\n1\n")],
        [sparse("a", b"1\n-5\n1\n")],
        [sparse("a", b"1\n9\n2\n")],
        [sparse("a", b"x\n")],
        [row("a", tarfile.CHRTYPE)],
        [row("a"), row("a")],
        [row(MANIFEST), row("a")],
        [row(MANIFEST)],
        [row("a")],
        [],
    ],
)
def test_a_tar_that_somebody_made_by_hand_gets_nowhere(tmp_path, rows):
    there = tmp_path / "below/there"
    there.parent.mkdir()
    file = crafted(tmp_path / "b.tar", *rows)
    with pytest.raises((BadBackup, NotRestored)):
        restore_backup(file, there)
    assert [one.name for one in there.iterdir()] == ["serve.lock"]
    assert [one.name for one in there.parent.iterdir()] == ["there"]
    assert not Path("/tmp/evil").exists()


@pytest.mark.parametrize(
    "content", [b"", b"text", gzip.compress(b"text", mtime=0), b"\x1f\x8b\x08"]
)
def test_what_is_no_tar_is_said_in_a_sentence(tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(BadBackup, match="no whole backup"):
        check_backup(tmp_path / "b")
    with pytest.raises(BadBackup, match="cannot be read"):
        check_backup(tmp_path / "nothing")


def test_the_database_of_a_newer_launcher_is_not_put_in_place(data, tmp_path):
    database = Database.of(data)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    target = tmp_path / "b.tar"
    # This launcher would not even open it, so it is written as the newer one would
    with target.open("wb") as out, tarfile.open(fileobj=out, mode="w") as tar:
        taking = backup.Taking(tar, tmp_path, backup.Manifest(time.time()))
        with (data / backup.DATABASE).open("rb") as file:
            taking.file(file, backup.DATABASE)
        taking.folder(data)
        text = taking.manifest.as_json().encode()
        tar.addfile(row(MANIFEST, size=len(text)), io.BytesIO(text))
    with pytest.raises(restore.LaunchError, match="newer launcher"):
        restore_backup(target, tmp_path / "there")
    assert [one.name for one in (tmp_path / "there").iterdir()] == ["serve.lock"]


def test_a_pipe_in_a_folders_place_holds_no_backup_up(data, tmp_path, monkeypatch):
    """A student swaps them between our look at the folder's name and its opening."""
    folder, opens = data / "homes/s1" / COURSE / "empty", os.open

    def swapped(path, *args, **options):
        if path == "empty" and folder.is_dir():
            folder.rmdir()
            os.mkfifo(folder)
        return opens(path, *args, **options)

    monkeypatch.setattr(backup.os, "open", swapped)
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

    monkeypatch.setattr(backup.os, "open", swapped)
    write_backup(data, tmp_path / "b.tar")
    assert b"SECRET" not in (tmp_path / "b.tar").read_bytes()


def test_one_home_with_millions_of_files_does_not_fill_the_memory(data, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "ENTRIES", 30)
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
