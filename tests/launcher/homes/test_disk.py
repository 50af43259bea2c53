"""What takes room in a home: counted as the disk counts it, whatever a student puts there."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

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


def test_files_and_folders_are_counted(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/one").touch()
    os.link(tmp_path / "a/b/one", tmp_path / "again")
    (tmp_path / "link").symlink_to("/")
    found = disk.look(tmp_path)
    assert (found.entries, found.trouble) == (4, ""), "a, b, the file once, the link"


@pytest.fixture
def handles(tmp_path):
    """No look leaves a folder open; other threads of this process may open what they like."""
    yield
    opened = []
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            opened.append(os.readlink(one))
    assert not [path for path in opened if path.startswith(str(tmp_path))]


def meanwhile(monkeypatch, name, act, times=100):
    """Do it each time that a folder of this name is about to be entered."""
    opens, left = os.open, [times]

    def slowly(path, *args, **options):
        if path == name and left[0]:
            left[0] -= 1
            act()
        return opens(path, *args, **options)

    monkeypatch.setattr(disk.os, "open", slowly)


def test_what_is_removed_under_our_eyes_is_no_trouble(tmp_path, monkeypatch, handles):
    (tmp_path / "x").mkdir()
    meanwhile(monkeypatch, "x", (tmp_path / "x").rmdir, times=1)
    found = disk.look(tmp_path)
    assert (found.trouble, found.entries) == ("", 0), "it has another look"


def test_a_link_in_a_folders_place_leads_nowhere(tmp_path, monkeypatch, handles):
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / "x").mkdir(parents=True)
    (home / "data").write_bytes(b"x" * 2_000_000)
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 5_000_000)

    def swap():
        (home / "x").rmdir()
        (home / "x").symlink_to(outside)

    meanwhile(monkeypatch, "x", swap, times=1)
    walk = disk.Walk(deadline=1e12)
    walk.below(os.open(home, disk.FOLDER))
    assert walk.lost
    assert 2_000_000 <= walk.used < 3_000_000, "what was seen is known"


def test_a_folder_that_moves_each_time_is_not_known(tmp_path, monkeypatch, handles):
    (tmp_path / "x").mkdir()
    (tmp_path / "x/hidden").write_bytes(b"x" * 2_000_000)
    opens = os.open

    def moved(path, *args, **options):
        if path == "x":
            raise FileNotFoundError(2, "it is y just now")
        return opens(path, *args, **options)

    monkeypatch.setattr(disk.os, "open", moved)
    assert disk.look(tmp_path).trouble == disk.CHANGING
    assert disk.used(tmp_path) is None


def test_a_folder_that_is_met_under_another_name_is_not_lost(tmp_path, monkeypatch, handles):
    names = ["x", "y"]
    for name in names:
        (tmp_path / name).mkdir()
    opens, moved = os.open, []

    def slowly(path, *args, **options):
        if path in names and not moved:
            other = names[1 - names.index(path)]
            moved.append((tmp_path / path).rename(tmp_path / other / "moved"))
        return opens(path, *args, **options)

    monkeypatch.setattr(disk.os, "open", slowly)
    walk = disk.Walk(deadline=1e12)
    walk.below(os.open(tmp_path, disk.FOLDER))
    assert moved
    assert not walk.lost


def test_a_pipe_in_a_folders_place_holds_nobody_up(tmp_path, monkeypatch, handles):
    (tmp_path / "x").mkdir()

    def swap():
        (tmp_path / "x").rmdir()
        os.mkfifo(tmp_path / "x")

    meanwhile(monkeypatch, "x", swap, times=1)
    assert disk.look(tmp_path).trouble == ""


def test_a_look_ends_at_its_time_with_what_it_saw(tmp_path, handles):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").touch()
    found = disk.look(tmp_path, within=-1.0)
    assert found.trouble == disk.SLOW
    assert disk.used(tmp_path, within=-1.0) is None


def test_trees_that_would_take_all_handles_are_not_entered_to_the_end(
    tmp_path, monkeypatch, handles
):
    monkeypatch.setattr(disk, "DEEPEST", 5)
    here = tmp_path
    for _ in range(8):
        (here / "a").mkdir()
        (here / "b").mkdir()
        here /= "a"
    assert disk.look(tmp_path).trouble == disk.DEEP


def test_what_the_machine_cannot_read_is_its_own_trouble(tmp_path, monkeypatch, handles):
    (tmp_path / "x").mkdir()

    def broken():
        raise OSError(5, "Input/output error")

    meanwhile(monkeypatch, "x", broken)
    assert disk.look(tmp_path).trouble == disk.UNREAD


@contextlib.contextmanager
def program(folder, steps):
    """Its process id, and what lets it take its next step: no other thread opens files there."""
    command = [sys.executable, "-c", steps]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def go_on():
            print(file=process.stdin, flush=True)
            assert process.stdout.readline() == "done\n"

        yield process.pid, go_on
        process.stdin.close()


OPENING = """
import os
input()
file, again = open("held", "w+b"), open("held", "rb")
file.write(b"x" * 3_000_000)
file.flush()
print("done", flush=True)
input()
os.unlink("held")
print("done", flush=True)
input()
file.close(), again.close()
print("done", flush=True)
"""


@pytest.fixture
def held(tmp_path, monkeypatch):
    """Bytes of deleted files that a program has open on the disk of this test."""
    monkeypatch.setattr(disk, "HELD_OPEN", 60.0)
    device = disk.device_of(tmp_path)
    return lambda *pids: disk.held_open(pids).get(device, 0)


def test_deleted_files_that_are_open_are_counted_once(tmp_path, held):
    with program(tmp_path, OPENING) as (pid, go_on):
        go_on()
        assert held(pid) == 0, "it still has a name"
        go_on()
        assert 3_000_000 <= held(pid, pid) < 3_100_000
        go_on()
        assert held(pid) == 0


# The module mmap would keep the file open, too.
MAPPING = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
input()
with open("held", "w+b") as file:
    file.write(b"x" * 3_000_000)
    file.flush()
    read, shared = 1, 1
    at = libc.mmap(None, 3_000_000, read, shared, file.fileno(), 0)
os.unlink("held")
print("done", flush=True)
input()
libc.munmap(at, 3_000_000)
print("done", flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root sees what is mapped")
def test_a_deleted_file_that_is_only_mapped_is_counted(tmp_path, held):
    with program(tmp_path, MAPPING) as (pid, go_on):
        go_on()
        assert held(pid) >= 3_000_000
        go_on()
        assert held(pid) == 0


def test_processes_that_are_gone_hold_nothing():
    assert disk.held_open([2**22 + 1]) == {}


def test_a_folder_that_moves_while_it_is_listed_is_not_passed_over(tmp_path, monkeypatch, handles):
    (tmp_path / "home/x").mkdir(parents=True)
    (tmp_path / "home/x/hidden").write_bytes(b"x" * 2_000_000)
    scans = os.scandir

    @contextlib.contextmanager
    def moving(handle):
        with scans(handle) as rows:
            found = list(rows)
        if "x" in [row.name for row in found]:
            (tmp_path / "home/x").rename(tmp_path / "x")
        yield found

    monkeypatch.setattr(disk.os, "scandir", moving)
    walk = disk.Walk(deadline=1e12)
    walk.below(os.open(tmp_path / "home", disk.FOLDER))
    assert walk.lost
