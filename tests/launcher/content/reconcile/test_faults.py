"""Faults: killed with SIGKILL at any moment, a disk that is full."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from launcher.content.reconcile.errors import CannotPull
from launcher.content.reconcile.git import Done, Git
from launcher.content.reconcile.paths import Paths
from launcher.content.reconcile.pull import take_pack
from launcher.content.reconcile.rights import give_back
from launcher.errors import ContentFailed

TREE = {f"d{number % 7}/f{number}.txt": f"{number}\n" * 20 for number in range(150)}


def command(mine):
    code = "import sys; from launcher.__main__ import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", code, "pull", mine.url, str(mine.folder)]


@pytest.mark.slow
def test_killed_at_random_moments_it_always_recovers(mine, teacher):
    teacher.commit(TREE)
    mine.pull()
    chance = random.Random(7)
    for number in range(8):
        own = f"d1/f{number * 7 + 1}.txt"
        mine.write(own, mine.read(own) + f"mine {number}\n")
        teacher.commit({name: f"{number}\n" + text for name, text in TREE.items()})
        process = subprocess.Popen(
            command(mine), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(chance.uniform(0.1, 0.8))
        process.send_signal(signal.SIGKILL)
        process.wait()
        mine.pull()
        assert mine.read(own) == f"{number}\n" + TREE[own] + f"mine {number}\n"
        assert mine.read("d0/f0.txt") == f"{number}\n" + TREE["d0/f0.txt"]
        assert mine.settled()
        mine.git("checkout", "-q", "--", own)


def test_what_a_killed_pull_left_of_a_pack_goes(mine, teacher):
    left = mine.folder / ".git/objects/pack/tmp_pack_a1b2c3"
    left.write_bytes(b"PACK")
    teacher.commit({"a.txt": "new\n"})
    mine.pull()
    assert not left.exists()
    assert mine.read("a.txt") == "new\n"


@pytest.fixture
def small_disk(tmp_path):
    """A filesystem of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        missing = "cannot mount a small filesystem here"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_is_a_sentence(mine, teacher, small_disk):
    here = type(mine)(small_disk / "mine", mine.url)
    here.pull()
    here.write("a.txt", "one\ntwo\nthree\nmine\n")
    teacher.commit({"a.txt": "ONE\ntwo\nthree\n", "huge.bin": os.urandom(2_000_000)})
    before = here.files
    with pytest.raises(ContentFailed, match="disk space is full"):
        here.pull()
    assert here.read("a.txt") == "one\ntwo\nthree\nmine\n"
    assert here.files == before
    assert not list((here.folder / ".git/objects/pack").glob("tmp_*")), "the room is free again"
    teacher.git("rm", "-q", "huge.bin")
    teacher.commit({})
    here.pull()
    assert here.read("a.txt") == "ONE\ntwo\nthree\nmine\n"
    assert here.settled()
    shutil.rmtree(here.folder)


def test_a_git_that_is_killed_is_too_little_memory(mine, tmp_path, monkeypatch):
    git = Git(os.fsencode(mine.folder))
    before = mine.git("rev-parse", "HEAD")
    monkeypatch.setattr(git, "command", lambda *_args: ("sh", "-c", "kill -9 $$"))
    (tmp_path / "pack").write_bytes(b"PACK")
    with pytest.raises(CannotPull, match="too little memory"):
        take_pack(git, str(tmp_path / "pack"))
    assert mine.git("rev-parse", "HEAD") == before


def test_a_git_that_may_not_write_says_which_step_it_was():
    with pytest.raises(PermissionError) as caught:
        Done(128, b"", "fatal: x: Permission denied").check_disk("index-pack")
    assert (caught.value.filename, caught.value.strerror) == (
        "git index-pack",
        "fatal: x: Permission denied",
    )


@pytest.mark.parametrize("folder", [b"course", b"course/inner"])
def test_rights_are_not_given_back_behind_a_link(tmp_path, monkeypatch, folder):
    closed = tmp_path / "elsewhere/inner/closed"
    closed.mkdir(parents=True)
    closed.chmod(0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "course").symlink_to(tmp_path / "elsewhere")
    assert not give_back(folder)
    assert closed.stat().st_mode & 0o777 == 0


def test_what_was_moved_before_rights_were_missing_is_told_after(mine, teacher, monkeypatch):
    mine.write("new.txt", "mine\n")
    teacher.commit({"new.txt": "theirs\n"})
    apply = Paths.apply

    def once(paths):
        monkeypatch.setattr(Paths, "apply", apply)
        apply(paths)
        raise PermissionError

    monkeypatch.setattr(Paths, "apply", once)
    with pytest.raises(ContentFailed):
        mine.pull()
    ((old, moved),) = mine.pull().moved
    assert (old, mine.read(moved)) == ("new.txt", "mine\n")
