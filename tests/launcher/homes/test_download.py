"""The zip has all that the student has, and nothing that only a link of theirs leads to."""

from __future__ import annotations

import io
import os
import stat
import zipfile

import pytest

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
