"""A build begins with room on the disk, or says how much there is and what to do."""

from __future__ import annotations

import contextlib
import os
import subprocess

import pytest

from envs.errors import OverLimit
from envs.room import ROOMY, Room
from tests.conftest import IN_CI

MIB = 1024**2


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of 16 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode:
        (pytest.fail if IN_CI else pytest.skip)(f"no disk can be mounted: {done.stderr}")
    yield folder
    with contextlib.suppress(OSError):
        os.sync()
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_stops_builds_with_what_is_free_and_the_way_out(small_disk):
    room, said = Room(8 * MIB, lambda: [small_disk]), []
    room.ensure(said.append)
    assert said == []
    (small_disk / "sessions").write_bytes(b"x" * 12 * MIB)
    with pytest.raises(OverLimit, match=f"4 MB are free in {small_disk}") as caught:
        room.ensure(said.append)
    assert "launcher env gc" in caught.value.hint


def test_caches_go_before_a_build_does(small_disk):
    cache = small_disk / "cache"
    cache.write_bytes(b"x" * 12 * MIB)
    room, said = Room(8 * MIB, lambda: [small_disk], cache.unlink), []
    room.ensure(said.append)
    assert said == ["There is little room on the disk; removing what can be made again"]


def test_without_a_limit_nobody_looks():
    ROOMY.ensure(pytest.fail)


def test_a_folder_that_is_not_made_yet_is_on_the_disk_of_the_one_above(tmp_path):
    Room(1, lambda: [tmp_path / "data" / "builds"]).ensure(pytest.fail)
