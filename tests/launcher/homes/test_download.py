"""The zip has all that the student has, and nothing that only a link of theirs leads to."""

from __future__ import annotations

import io
import os
import stat
import time
import zipfile
from types import SimpleNamespace

import pytest

from launcher.homes import download as downloading
from launcher.homes.download import DEEPEST, LEFT_OUT, PIECE, Download


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    (folder / "course/.git").mkdir(parents=True)
    (folder / "course/week1.ipynb").write_text("{}")
    (folder / "course/.git/HEAD").write_text("ref")
    (folder / "empty").mkdir()
    return folder


def unpacked(home):
    data = b"".join(Download(home, "work").pieces())
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


def test_every_file_is_in_it_with_its_rights(home):
    (home / "run.sh").write_text("x")
    (home / "run.sh").chmod(0o755)
    archive = unpacked(home)
    assert set(archive.namelist()) == {
        "work/",
        "work/course/",
        "work/course/.git/",
        "work/course/.git/HEAD",
        "work/course/week1.ipynb",
        "work/empty/",
        "work/run.sh",
    }
    assert archive.getinfo("work/run.sh").external_attr >> 16 == stat.S_IFREG | 0o755
    assert archive.read("work/course/week1.ipynb") == b"{}"


def test_no_link_is_followed(home, tmp_path):
    (tmp_path / "secret.key").write_text("SECRET")
    (home / "key").symlink_to(tmp_path / "secret.key")
    (home / "above").symlink_to(tmp_path)
    archive = unpacked(home)
    assert archive.read("work/above") == str(tmp_path).encode()
    assert not any(name.startswith("work/above/") for name in archive.namelist())
    assert all(b"SECRET" not in archive.read(name) for name in archive.namelist())


def test_a_home_that_is_a_link_is_none(home, tmp_path):
    (tmp_path / "fake").symlink_to(home)
    with pytest.raises(OSError, match="fake"):
        list(Download(tmp_path / "fake", "work").pieces())


def test_pipes_and_depths_hold_nobody_up_and_are_listed(home):
    os.mkfifo(home / "pipe")
    deep = home
    for _ in range(DEEPEST + 10):
        deep = deep / "d"
    deep.mkdir(parents=True)
    said = unpacked(home).read(f"work/{LEFT_OUT}").decode()
    assert "work/pipe: neither a file nor a folder" in said
    assert "too many folders deep" in said


def test_names_that_are_no_text_and_times_before_zips_are_fine(home):
    odd = os.fsencode(home) + b"/caf\xe9.txt"
    with open(odd, "w") as file:
        file.write("x")
    os.utime(odd, (0, 0))
    os.utime(home / "course/week1.ipynb", (1e11, 1e11))
    assert "work/caf_xe9.txt" in unpacked(home).namelist()


def test_a_large_file_is_never_held_whole(home):
    with (home / "big").open("wb") as file:
        for _ in range(20):
            file.write(os.urandom(PIECE))
    pieces = [len(piece) for piece in Download(home, "work").pieces()]
    assert max(pieces) < 2 * PIECE
    assert sum(pieces) > 20 * PIECE


def note(archive):
    return archive.read(f"work/{LEFT_OUT}").decode()


def test_files_that_are_mostly_holes_are_listed_and_not_sent(home):
    with (home / "model.bin").open("wb") as file:
        file.write(os.urandom(PIECE))
        file.truncate(1 << 43)
    with (home / "small-hole").open("wb") as file:
        file.truncate(3 * PIECE)
    began = time.monotonic()
    archive = unpacked(home)
    assert time.monotonic() - began < 30
    assert "work/model.bin" not in archive.namelist()
    assert "work/model.bin: it is mostly holes" in note(archive)
    assert "a backup of the server has it" in note(archive)
    assert archive.read("work/small-hole") == bytes(3 * PIECE)


def test_many_holes_together_are_limited_too(home, monkeypatch):
    monkeypatch.setattr(downloading, "HOLES", 5 * PIECE)
    for number in range(4):
        with (home / f"hole{number}").open("wb") as file:
            file.truncate(2 * PIECE)
    archive = unpacked(home)
    assert [f"work/hole{one}" in archive.namelist() for one in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert note(archive).count("mostly holes") == 2


def test_a_disk_that_packs_files_makes_no_holes_of_them(home, monkeypatch):
    (home / "packed").write_bytes(b"x" * 3 * PIECE)
    handle = os.open(home / "packed", os.O_RDONLY)
    found = os.fstat(handle)
    packed = SimpleNamespace(st_size=found.st_size, st_blocks=1)
    assert downloading.holes_of(handle, packed) == 0
    assert os.read(handle, 3) == b"xxx", "it is read from its beginning"
    os.close(handle)


def test_a_file_that_grows_for_ever_ends(home):
    with (home / "grows").open("wb") as file:
        file.write(b"x" * 3 * PIECE)
        file.flush()
        data, pieces = [], Download(home, "work").pieces()
        for piece in pieces:
            data.append(piece)
            file.write(b"x" * PIECE)
            file.flush()
            assert len(data) < 1000
    archive = zipfile.ZipFile(io.BytesIO(b"".join(data)))
    assert archive.testzip() is None


def test_a_zip_holds_so_many_files_and_says_so(home, monkeypatch):
    monkeypatch.setattr(downloading, "ENTRIES", 20)
    (home / "a-many").mkdir()
    for number in range(50):
        (home / f"a-many/{number:02}").touch()
    archive = unpacked(home)
    assert len(archive.namelist()) <= 22
    assert sum(name.startswith("work/a-many/") for name in archive.namelist()) == 20
    assert "what follows it: the zip has 20 files" in note(archive)
    assert "work/course and what follows it" in note(archive)


@pytest.mark.parametrize(("sent", "took"), [(0, 700.0), (10**12, 7201.0)])
def test_a_download_that_takes_too_long_ends_and_says_so(home, monkeypatch, sent, took):
    (home / "a-big").write_bytes(os.urandom(4 * PIECE))
    now = [0.0]
    monkeypatch.setattr(
        downloading, "time", SimpleNamespace(monotonic=lambda: now[0], localtime=time.localtime)
    )
    download, data = Download(home, "work", _began=0.0), []
    for piece in download.pieces():
        data.append(piece)
        if sum(map(len, data)) > PIECE:
            now[0] = took
            download._outlet.sent += sent
            sent = 0
    archive = zipfile.ZipFile(io.BytesIO(b"".join(data)))
    assert archive.testzip() is None
    assert "work/a-big: not to its end: the download took too long" in note(archive)
    assert "work/course and what follows it: the download took too long" in note(archive)
