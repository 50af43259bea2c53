"""What the new disk cannot have is left out and noted; everything else comes back."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from pathlib import Path

import pytest

from launcher.backup.backup import write_backup
from launcher.backup.errors import NotRestored
from launcher.backup.placing import Placing
from launcher.backup.restore import restore_backup
from tests.launcher.backup.pictures import COURSE, picture, shape


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
    file = Placing.file

    def refused(placing, row):
        if row.name == "secret.key":
            monkeypatch.setattr(Path, "open", too_large)
        return file(placing, row)

    def too_large(*_):
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(Placing, "file", refused)
    with pytest.raises(NotRestored, match="File too large"):
        restore_backup(tmp_path / "b.tar", tmp_path / "there")
