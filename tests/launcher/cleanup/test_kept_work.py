"""Folders of students leave only when no session has them, whole, and can come back."""

from __future__ import annotations

import errno
import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from launcher.cleanup.kept_work import A_STUDENT, InUse, KeptWork
from launcher.database import Database
from launcher.database.tables import METADATA
from launcher.homes.bin import Bin, NotMoved
from launcher.homes.home import Homes
from launcher.people.audit import Audit
from launcher.sessions.history import History
from tests.fakes import fake_sessions

COURSE = "intro-0a1b2c3d"
DAY = 86400.0


@pytest.fixture
def work(tmp_path):
    database = Database.of(tmp_path)
    homes = Homes(tmp_path / "homes")
    sessions = fake_sessions(tmp_path, history=History(database))
    bin_ = Bin(tmp_path / "bin", homes)
    return KeptWork(sessions, bin_, Audit(database), keep_days=30, bin_days=14)


def begin(work, student="s1", course=COURSE):
    """A session with some work in its folder."""
    spec, _ = work.sessions.ensure(student, course, "image", "/launch?env=x", lambda _: None)
    (spec.home / "week1.ipynb").write_text("mine")
    spec.home.with_name(f".delivered-{course}-week.json").write_text("{}")
    return spec


def end(work, spec):
    work.sessions.stop(spec.id, why="test")


def later(monkeypatch, days):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + days * DAY)


def names(folder: Path):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_that_nobody_came_back_to_goes_into_the_bin_and_comes_back_whole(
    work, monkeypatch
):
    spec = begin(work)
    before = names(spec.home.parent)
    end(work, spec)
    (kept,) = work.of("s1")
    assert abs(kept.until - time.time() - 30 * DAY) < 60
    assert kept.link == "/launch?env=x"
    later(monkeypatch, 29.9)
    assert work.run() == []
    later(monkeypatch, 0.2)
    assert [one.name for one in work.run()] == [f"s1/{COURSE}"]
    assert not spec.home.parent.exists()
    (binned,) = work.bin.all()
    assert binned.why == "not used for 30 days"
    assert [deed.what for deed in work.audit.last()] == ["work removed"]
    work.bin.restore(binned.id)
    assert names(spec.home.parent) == before
    assert (spec.home / "week1.ipynb").read_text() == "mine"
    assert work.bin.all() == []


def test_a_folder_that_was_brought_back_counts_as_used_then(work):
    spec = begin(work)
    end(work, spec)
    work.sessions.history.forget("s1")  # as old as its folder, or older
    for one in (spec.home, *work.sessions.homes.notes("s1", COURSE)):
        os.utime(one, (time.time() - 40 * DAY,) * 2)
    assert [one.what for one in work.run()] == ["home"]
    work.bin.restore(work.bin.all()[0].id)
    assert work.run() == []
    assert (spec.home / "week1.ipynb").read_text() == "mine"


def test_a_session_that_runs_keeps_its_folder_however_old(work, monkeypatch):
    spec = begin(work)
    later(monkeypatch, 1000)
    assert work.run() == []
    with pytest.raises(InUse):
        work.remove("s1", COURSE, who="s1", why="asked")
    with pytest.raises(InUse):
        work.remove_all("s1", who="s1")
    assert (spec.home / "week1.ipynb").exists()


def test_a_launch_under_way_keeps_its_folder(work, monkeypatch):
    spec = begin(work)
    end(work, spec)
    later(monkeypatch, 1000)
    with work.sessions.turns.wait_for("s1", COURSE):
        assert work.run() == []
        with pytest.raises(InUse):
            work.remove("s1", COURSE, who="s1", why="asked")
    assert (spec.home / "week1.ipynb").exists()


def test_where_the_settings_say_nothing_folders_stay_for_ever(work, monkeypatch):
    work = replace(work, keep_days=0)
    end(work, begin(work))
    later(monkeypatch, 5000)
    assert work.run() == []
    assert work.of("s1")[0].until == 0


def test_work_in_a_folder_counts_as_use_even_where_no_session_is_remembered(work):
    home = work.sessions.homes.path("s2", COURSE)
    home.mkdir(parents=True)
    (kept,) = work.of("s2")
    assert time.time() - kept.last < 60
    assert kept.link == ""


def test_an_engine_that_does_not_answer_removes_nothing(work, monkeypatch):
    spec = begin(work)
    end(work, spec)
    later(monkeypatch, 1000)

    def down(*_):
        raise OSError("down")

    monkeypatch.setattr(work.sessions.runtime, "list", down)
    with pytest.raises(OSError, match="down"):
        work.run()
    assert (spec.home / "week1.ipynb").exists()


def test_the_bin_is_emptied_after_its_days_and_links_in_it_are_not_followed(
    work, monkeypatch, tmp_path
):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    spec = begin(work)
    (spec.home / "link").symlink_to(outside)
    end(work, spec)
    work.remove("s1", COURSE, who="s1", why="asked")
    later(monkeypatch, 13.9)
    assert work.run() == []
    later(monkeypatch, 0.2)
    assert [one.what for one in work.run()] == ["bin"]
    assert list(work.bin.folder.iterdir()) == []
    assert (outside / "precious").exists()
    assert [deed.what for deed in work.audit.last()] == ["bin emptied", "work removed"]


def test_all_data_of_a_student_go_and_nobody_else_s(work):
    for course in (COURSE, "second-0a1b2c3d"):
        end(work, begin(work, course=course))
    other = begin(work, student="s2")
    end(work, other)
    assert len(work.remove_all("s1", who="s1")) == 2
    assert work.of("s1") == []
    assert {row.owner for row in work.sessions.history.all()} == {"s2"}
    assert (other.home / "week1.ipynb").exists()


def test_all_goes_or_nothing_where_a_launch_into_one_folder_is_under_way(work):
    specs = [begin(work, course=course) for course in (COURSE, "second-0a1b2c3d")]
    for spec in specs:
        end(work, spec)
    with work.sessions.turns.wait_for("s1", specs[1].course), pytest.raises(InUse, match="launch"):
        work.remove_all("s1", who="s1")
    assert work.bin.all() == []
    assert all((spec.home / "week1.ipynb").exists() for spec in specs)
    assert len(work.sessions.history.all()) == 2


def test_no_launch_begins_between_the_look_for_sessions_and_the_end_of_everything(
    work, monkeypatch
):
    end(work, begin(work))
    listed, begun = work.sessions.runtime.list, []

    def meanwhile(owner=""):
        with work.sessions.turns.if_free("s1", COURSE) as mine:
            begun.append(mine)
        return listed(owner)

    monkeypatch.setattr(work.sessions.runtime, "list", meanwhile)
    assert len(work.remove_all("s1", who="s1")) == 1
    assert not any(begun)


def test_a_folder_that_cannot_be_moved_stays_as_it_was(work, monkeypatch):
    spec = begin(work)
    end(work, spec)
    rename = Path.rename

    def full(self, target):
        if self == spec.home:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(NotMoved, match="cross-device"):
        work.remove("s1", COURSE, who="s1", why="asked")
    assert (spec.home / "week1.ipynb").read_text() == "mine"
    assert list(work.bin.folder.iterdir()) == []
    assert work.audit.last() == []


def test_a_new_folder_is_never_written_over(work):
    end(work, begin(work))
    binned = work.remove("s1", COURSE, who="s1", why="asked")
    spec = begin(work)
    (spec.home / "week1.ipynb").write_text("newer")
    with pytest.raises(NotMoved, match="new folder"):
        work.bin.restore(binned.id)
    assert (spec.home / "week1.ipynb").read_text() == "newer"
    assert [one.id for one in work.bin.all()] == [binned.id]


def test_a_folder_that_cannot_come_back_stays_in_the_bin_with_its_notes(work, monkeypatch):
    """As on a full disk: the name of the folder cannot be written, when its notes have been."""
    spec = begin(work)
    note = next(spec.home.parent.glob(".delivered-*"))
    end(work, spec)
    binned = work.remove("s1", COURSE, who="s1", why="asked")
    rename = Path.rename

    def full(path, target):
        if path.name == "home":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(NotMoved, match="could not be brought back: No space left"):
            work.bin.restore(binned.id)
    assert not note.exists()
    assert [one.id for one in work.bin.all()] == [binned.id]
    work.bin.restore(binned.id)
    assert note.exists()
    assert (spec.home / "week1.ipynb").read_text() == "mine"


def test_what_a_killed_launcher_left_in_the_bin_is_no_folder(work, monkeypatch):
    end(work, begin(work))
    binned = work.remove("s1", COURSE, who="s1", why="asked")
    empty = work.bin.folder / "20200101-000000-00000000"
    empty.mkdir()
    (empty / "about.json").write_text(json.dumps({"id": empty.name}))
    os.rename(work.bin.folder / binned.id, work.bin.folder / f".gone-{binned.id}")
    assert work.bin.all() == []
    work.bin.empty(older=1e9)
    assert [one.name for one in work.bin.folder.iterdir()] == [empty.name]


def test_a_folder_of_any_depth_leaves_the_bin(work, dig):
    spec = begin(work)
    dig(spec.home)
    end(work, spec)
    work.remove("s1", COURSE, who="s1", why="asked")
    work.bin.empty(older=-1)
    assert list(work.bin.folder.iterdir()) == []


def test_nothing_that_stays_names_a_student_whose_data_are_gone(work, monkeypatch, tmp_path):
    student = "0123456789abcdef0123"
    for course in (COURSE, "second-0a1b2c3d"):
        end(work, begin(work, student=student, course=course))
    work.remove(student, "second-0a1b2c3d", who=A_STUDENT, why="asked")
    work.remove_all(student, who=A_STUDENT)
    later(monkeypatch, 15)
    work.run()
    assert len(work.audit.last()) == 4
    with work.audit.database.read() as connection:
        rows = [str(connection.execute(select(table)).all()) for table in METADATA.tables.values()]
    assert student not in "".join(rows)
