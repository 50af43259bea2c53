"""After a restart of anything, what runs is known again, and what ended is over."""

from dataclasses import replace

import pytest

from launcher.errors import NoRoom
from launcher.room.capacity import Capacity
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.queue import Queue
from launcher.sessions.adoption import adopt, take_stock
from tests.launcher.sessions.conftest import ensure, held


def test_a_restarted_launcher_adopts_what_runs(sessions):
    spec, _ = ensure(sessions)
    sessions.gateway.known.clear()
    assert [s.id for s in adopt(sessions)] == [spec.id]
    assert list(sessions.gateway.routes()) == [spec.id]


def test_routes_to_nowhere_go(sessions):
    sessions.gateway.add_route("ab" * 6, "http://127.0.0.1:1", "s", "t")
    adopt(sessions)
    assert sessions.gateway.routes() == {}


@pytest.mark.parametrize("asked", ["routes", "list"])
def test_a_session_that_is_opened_while_both_are_asked_keeps_its_route(
    sessions, monkeypatch, asked
):
    part = sessions.gateway if asked == "routes" else sessions.runtime
    ask, opened = getattr(part, asked), []

    def meanwhile(*of):
        found = ask(*of)
        monkeypatch.undo()
        spec, session = ensure(sessions)
        sessions.open(spec, session)
        opened.append(spec.id)
        return found

    monkeypatch.setattr(part, asked, meanwhile)
    adopt(sessions)
    assert list(sessions.gateway.routes()) == opened


def test_a_dead_session_is_cleared_and_remembered(sessions):
    spec, session = ensure(sessions)
    sessions.runtime.rows[spec.id] = replace(session, running=False, ended="exit code 137")
    adopt(sessions)
    assert sessions.runtime.list() == []
    assert sessions.history.find(spec.id).why == "exit code 137"
    assert spec.home.exists()


def test_a_session_that_a_launch_is_just_starting_is_left_alone(sessions):
    spec, session = ensure(sessions)
    sessions.runtime.rows[spec.id] = replace(session, running=False)
    with sessions.turns.wait_for("s1", "c1"):
        adopt(sessions)
    assert sessions.runtime.find(spec.id)


def test_a_session_that_a_launch_has_started_since_the_look_is_left_alone(sessions, monkeypatch):
    """An engine lists a container before it starts it: as one that does not run."""
    spec, session = ensure(sessions)
    created = replace(session, running=False, ended="it was never started")
    monkeypatch.setattr(sessions.runtime, "list", lambda owner="": [created])
    adopt(sessions)
    assert sessions.runtime.find(spec.id) == session
    assert not sessions.history.find(spec.id).ended


def test_a_session_that_somebody_removed_by_hand_is_over(sessions):
    spec, _ = ensure(sessions)
    kept, _ = ensure(sessions, student="s2")
    del sessions.runtime.rows[spec.id]
    with sessions.turns.wait_for("s1", "c1"):
        adopt(sessions)
    assert not sessions.history.find(spec.id).ended, "a launch may just be starting it"
    adopt(sessions)
    assert sessions.history.find(spec.id).why == "it was removed from this server"
    assert not sessions.history.find(kept.id).ended


def test_after_a_restart_what_runs_takes_its_room_before_anybody_clicks(small):
    spec, _ = ensure(small)
    capacity = Capacity(small.queue.capacity.plan, Measured(None))
    small.queue = Queue(capacity, Line(None), 60, 60)
    take_stock(small)
    assert held(small) == [spec.id]
    with pytest.raises(NoRoom):
        ensure(small, student="s2")


def test_what_ended_behind_our_back_gives_its_room_to_the_next(small):
    spec, _ = ensure(small)
    with pytest.raises(NoRoom):
        ensure(small, student="s2")
    small.runtime.rows.clear()  # `launcher session stop`, or somebody at the engine
    adopt(small)
    assert held(small) != [spec.id]
    assert small.queue.called([("s2", "c1")], 0) == {("s2", "c1")}
