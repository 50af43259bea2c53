"""Mirrors make room: never at the cost of what a student's next pull needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import Mock

import pytest

from envs.room import Room
from launcher.cleanup.copies import RECENT, Copies
from launcher.demo import git_server
from launcher.errors import DiskFull
from tests.git_server import Repo

LONG_AGO = time.time() - 10 * RECENT


@pytest.fixture
def copies(mirrors, tmp_path):
    return Copies(mirrors.place, tmp_path, keep=0)


@pytest.fixture
def look(mirrors, server, tmp_path):
    """Somebody looks at repositories, each a minute after the one before; their addresses."""

    def look(*names, size=100_000):
        urls = []
        for name in names:
            Repo.create(tmp_path / "served" / name, {"noise": os.urandom(size)})
            urls.append(server.url(name))
            mirrors.refresh(urls[-1])
            age(mirrors, urls[-1], LONG_AGO + 60 * len(urls))
        return urls

    return look


def age(mirrors, url, at=LONG_AGO):
    """It was used at that time."""
    os.utime(mirrors.folder / "mirrors" / mirrors.place.name_of(url) / "launcher.json", (at, at))


def names(removed):
    return [one.name.rpartition("-")[0] for one in removed]


def test_those_used_longest_ago_go_until_the_rest_is_small_enough(copies, look, mirrors):
    one, two, three = look("one", "two", "three")
    size = copies.spare()[0].size
    assert size > 100_000
    kept = replace(copies, keep=2 * size + 10_000)
    assert names(kept.remove(dry_run=True)) == ["one"]
    assert mirrors.find_copy(one)
    age(mirrors, one)
    mirrors.refresh(two)
    assert names(kept.remove()) == ["one"]
    assert mirrors.find_copy(one) is None
    assert mirrors.find_copy(two)
    age(mirrors, two)
    age(mirrors, three, LONG_AGO + 1)
    assert names(copies.remove()) == ["two", "three"]
    assert not list((mirrors.folder / "mirrors").iterdir())


def test_what_was_used_just_now_stays(copies, look, mirrors):
    (url,) = look("one")
    mirrors.find_copy(url)  # its git host is down, and a launch has it all the same
    assert copies.remove() == []
    assert copies.remove(keep=0) == []
    assert mirrors.find_copy(url)


@pytest.mark.parametrize("place", ["", "fetch", "shape"])
def test_what_is_in_use_now_stays(copies, look, mirrors, place):
    (url,) = look("one")
    mirror = mirrors.folder / "mirrors" / mirrors.place.name_of(url)
    with mirrors.place.locked(mirror / place):
        assert copies.remove() == []
    assert names(copies.remove()) == ["one"]


@pytest.mark.parametrize("where", ["homes", "bin"])
def test_what_a_students_folder_came_from_stays(copies, student, mirrors, tmp_path, where):
    student.pull()
    age(mirrors, student.url)
    student.spec.home.parent.rename(tmp_path / "moved")
    (tmp_path / where).mkdir(exist_ok=True)
    (tmp_path / "moved").rename(tmp_path / where / "s1")
    (tmp_path / where / "s1/.delivered-x-broken.json").write_text("{")
    assert copies.remove() == []
    shutil.rmtree(tmp_path / where)
    assert names(copies.remove()) == ["course"]
    assert not list(mirrors.folder.glob("*/course-*")), "clones and packs go with it"


def test_a_launch_whose_copy_has_just_gone_fetches_it_anew(student, teacher, mirrors):
    student.pull()
    student.write("a.txt", "one\ntwo\nmine\n")
    teacher.commit({"a.txt": "ONE\ntwo\nthree\n"})
    refresh = mirrors.refresh

    def refreshed(repo, branch=""):
        found = refresh(repo, branch)
        assert mirrors.place.drop(mirrors.place.name_of(repo), before=time.time() + 1)
        return found

    mirrors.refresh = refreshed
    receipt = student.pull()
    assert receipt.merged == ("a.txt",)
    assert student.read("a.txt") == "ONE\ntwo\nmine\n"


def test_a_pull_is_three_way_without_the_old_copy_even_after_a_forced_push(
    student, teacher, mirrors
):
    student.pull()
    student.write("a.txt", "one\ntwo\nmine\n")
    teacher.git("checkout", "-q", "--orphan", "other")
    teacher.commit({"a.txt": "ONE\ntwo\nthree\n", "b.txt": "b2\n"})
    teacher.git("branch", "-M", "main")
    assert mirrors.place.drop(mirrors.place.name_of(student.url), before=time.time() + 1)
    receipt = student.pull()
    assert (receipt.merged, receipt.updated) == (("a.txt",), ("b.txt",))
    assert student.read("a.txt") == "ONE\ntwo\nmine\n"


def test_a_class_on_a_full_disk_makes_room_once_a_minute(copies, look, mirrors, monkeypatch):
    (one,) = look("one")
    monkeypatch.setattr(copies, "remove", Mock(wraps=copies.remove))
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(copies.make_room) for _ in range(40)]:
            done.result(60)
    copies.remove.assert_called_once_with(keep=0)
    assert mirrors.find_copy(one) is None
    monkeypatch.setattr("launcher.cleanup.copies.MINUTE", 0.0)
    copies.make_room()
    assert copies.remove.call_count == 2


def test_a_fetch_makes_room_or_is_refused(copies, look, mirrors, server, tmp_path):
    look("one")
    Repo.create(tmp_path / "served/two", {"a": "a"})
    mirrors.room = Room(1 << 60, lambda: [tmp_path], copies.make_room)
    with pytest.raises(DiskFull):
        mirrors.refresh(server.url("two"))
    assert not list((mirrors.folder / "mirrors").glob("one-*"))
    mirrors.room = Room(1, lambda: [tmp_path])
    assert mirrors.refresh(server.url("two")).commit


@pytest.fixture
def goes_on(monkeypatch):
    """The git server sends half of a pack, and the rest once this is set."""
    found, setup = threading.Event(), git_server._Handler.setup

    def halting(handler):
        setup(handler)
        write = handler.wfile.write

        def halves(data):
            half = len(data) // 2 if len(data) > 1_000_000 else len(data)
            write(data[:half])
            if half < len(data):
                found.wait(60)
                with contextlib.suppress(OSError):  # git has been ended
                    write(data[half:])

        handler.wfile.write = halves

    monkeypatch.setattr(git_server._Handler, "setup", halting)
    yield found
    found.set()


def test_a_fetch_ends_where_the_disk_fills_up_meanwhile(
    mirrors, server, tmp_path, teacher, monkeypatch, goes_on
):
    """A disk with room when the fetch begins, and none once the pack is coming."""
    monkeypatch.setattr("envs.git.WATCH", 0.01)
    teacher.commit({"noise": os.urandom(3_000_000)})
    came = []

    def folders():
        packs = mirrors.folder.glob("mirrors/*/objects/pack/tmp_*")
        came.extend(path for path in packs if path.stat().st_size)
        return [tmp_path] if came else []

    mirrors.room = Room(1 << 60, folders)
    with pytest.raises(DiskFull):
        mirrors.refresh(server.url("course"))
    assert came, "it had begun"
    assert not list(mirrors.folder.glob("mirrors/*/objects/pack/tmp_*"))
    used = sum(path.stat().st_size for path in mirrors.folder.rglob("*") if path.is_file())
    assert used < 100_000
    goes_on.set()
    mirrors.room = Room()
    assert mirrors.refresh(server.url("course")).commit
