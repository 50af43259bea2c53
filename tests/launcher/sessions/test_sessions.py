"""Sessions: one per student and course, and nothing a student wrote is lost when one ends."""

import contextlib
from dataclasses import replace

import pytest

from launcher.database import Database
from launcher.errors import NoRoom, SessionFailed
from launcher.room.line import Line
from tests.launcher.sessions.conftest import ensure, held


def test_the_same_student_and_course_get_the_same_session(sessions):
    first, _ = ensure(sessions)
    again, _ = ensure(sessions)
    assert again == first


def test_two_students_never_share_a_session_or_a_home(sessions):
    one, _ = ensure(sessions, student="s1")
    two, _ = ensure(sessions, student="s2")
    assert one.id != two.id
    assert one.home != two.home
    assert one.token != two.token


def test_a_new_environment_keeps_the_home(sessions):
    old, _ = ensure(sessions, image="i1")
    (old.home / "work.txt").write_text("mine")
    new, _ = ensure(sessions, image="i2")
    assert new.id != old.id
    assert (new.home / "work.txt").read_text() == "mine"
    assert [s.id for s in sessions.runtime.list()] == [new.id]


def test_a_session_that_ended_is_replaced(sessions):
    old, session = ensure(sessions)
    sessions.runtime.rows[old.id] = replace(session, running=False, ended="exit code 137")
    new, _ = ensure(sessions)
    assert new.id != old.id
    assert new.home == old.home


def test_opening_lets_the_owner_in(sessions):
    spec, _ = ensure(sessions)
    sessions.open(spec)
    assert list(sessions.gateway.routes()) == [spec.id]


def test_a_server_that_dies_at_start_is_noticed_at_once_with_its_log(sessions):
    spec, session = ensure(sessions)
    dead = replace(session, running=False, ended="exit code 1")
    sessions.runtime.rows[spec.id] = dead
    with pytest.raises(SessionFailed, match="exit code 1") as caught:
        sessions.open(spec)
    assert "the end of the log" in caught.value.hint


def test_a_server_that_starts_is_asked_itself_and_its_runtime_seldom(sessions, monkeypatch):
    spec, _ = ensure(sessions)
    asked = {"runtime": 0, "server": 0}
    find = sessions.runtime.find

    def found(session_id):
        asked["runtime"] += 1
        return find(session_id)

    def answers(session):
        asked["server"] += 1
        return asked["server"] > 3

    monkeypatch.setattr(sessions.runtime, "find", found)
    monkeypatch.setattr(sessions, "answers", answers)
    monkeypatch.setattr(sessions, "start_timeout", 60.0)
    monkeypatch.setattr("launcher.sessions.sessions.LOOK", 3600.0)
    sessions.open(spec)
    assert asked == {"runtime": 1, "server": 4}


def test_a_server_that_never_answers_fails_with_the_time(sessions):
    spec, session = ensure(sessions)
    sessions.runtime.rows[spec.id] = replace(session, address="http://127.0.0.1:1")
    sessions.start_timeout = 0.2
    with pytest.raises(SessionFailed, match="did not answer"):
        sessions.open(spec)


def test_without_room_nothing_is_started_and_what_runs_goes_on(small):
    spec, _ = ensure(small)
    with pytest.raises(NoRoom):
        ensure(small, student="s2")
    assert [one.id for one in small.runtime.list()] == held(small) == [spec.id]
    assert ensure(small)[0] == spec, "one's own session needs no second place"
    small.stop(spec.id, why="done")
    assert small.queue.called([("s2", "c1")], 0) == {("s2", "c1")}
    other, _ = ensure(small, student="s2")
    assert held(small) == [other.id]


@pytest.mark.parametrize("fails", [False, True])
def test_the_place_in_line_is_kept_until_the_session_has_started(small, tmp_path, fails):
    small.queue.line = Line(Database.of(tmp_path))
    spec, _ = ensure(small)
    with pytest.raises(NoRoom):
        ensure(small, student="s2")
    small.stop(spec.id, why="done")
    small.queue.called([("s2", "c1")], 0)
    start, kept = small.runtime.start, []

    def look(spec):
        kept.extend(one.student for one in small.queue.line.all())
        if fails:
            raise SessionFailed("no")
        return start(spec)

    small.runtime.start = look
    with pytest.raises(SessionFailed) if fails else contextlib.nullcontext():
        ensure(small, student="s2")
    assert kept == ["s2"]
    assert small.queue.line.all() == []


def test_a_start_that_fails_gives_its_room_back(small, monkeypatch):
    def broken(spec):
        raise SessionFailed("no")

    monkeypatch.setattr(small.runtime, "start", broken)
    for _ in range(3):
        with pytest.raises(SessionFailed):
            ensure(small)
    assert held(small) == []
    monkeypatch.undo()
    assert ensure(small)


def test_a_full_box_changes_a_student_s_environment_without_waiting(small):
    old, _ = ensure(small, image="i1")
    new, _ = ensure(small, image="i2")
    assert [one.id for one in small.runtime.list()] == held(small) == [new.id] != [old.id]
