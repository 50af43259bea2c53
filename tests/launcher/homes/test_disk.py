"""What takes room in a home: counted as the disk counts it, whatever a student puts there."""

from __future__ import annotations

import os
import subprocess
import tempfile

import pytest

from launcher.homes import disk


@pytest.fixture
def pit():
    """A folder for a tree that pytest could not remove: so it is none of pytest's, and goes."""
    folder = tempfile.mkdtemp(prefix="launcher-tests-")
    yield folder
    subprocess.run(["rm", "-rf", "--", folder], check=True)


def test_what_is_used_counts_blocks_and_links_once(tmp_path):
    before = disk.used(tmp_path)
    (tmp_path / "data.bin").write_bytes(os.urandom(1_000_000))
    os.link(tmp_path / "data.bin", tmp_path / "again.bin")
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(10**12)
    grown = disk.used(tmp_path) - before
    assert 1_000_000 <= grown < 1_100_000


def test_links_out_of_the_home_are_not_followed(tmp_path):
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 2_000_000)
    (home / "link").symlink_to(outside)
    (home / "file").symlink_to(outside / "big")
    assert disk.used(home) < 100_000
    assert disk.largest(home) == []


def test_the_largest_files_come_first_with_odd_names(tmp_path):
    (tmp_path / "a\nb").mkdir()
    (tmp_path / "a\nb" / "x\ty").write_bytes(b"x" * 300_000)
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "course" / ".git").mkdir(parents=True)
    (tmp_path / "course" / ".git" / "pack").write_bytes(b"x" * 900_000)
    found = disk.largest(tmp_path)
    assert [one.path for one in found] == ["a\nb/x\ty", "small"]
    assert found[0].size >= 300_000
    assert len(disk.largest(tmp_path, 1)) == 1


def test_a_tree_deeper_than_any_path_is_counted(pit):
    here = os.open(pit, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open("hidden", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, os.urandom(3_000_000))
    os.close(file)
    os.close(here)
    assert disk.used(pit) > 3_000_000


def test_a_home_that_is_not_there_is_not_known(tmp_path):
    assert disk.used(tmp_path / "none") is None
    assert disk.largest(tmp_path / "none") == []
