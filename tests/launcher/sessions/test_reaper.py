"""The reaper: unused and old sessions stop, used ones never do."""

import time
from types import SimpleNamespace

import pytest

from launcher.clock import Jumps
from launcher.errors import NoRoom
from launcher.gateway.client import RouteState
from launcher.room.capacity import Capacity, Plan
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.queue import Queue
from launcher.session import Session
from launcher.sessions.notices import Notices
from launcher.sessions.reaper import Reaper, Use, after_jump, ending, reason_to_stop, use_of
from tests.fakes import FakeRuntime, fake_sessions
from tests.logged import said_by

NOW = 1_800_000_000.0


def session(age):
    return Session("ab12", "s", "c", "i", "/launch", NOW - age, "http://x", running=True)


def why(age, last_used_ago, *, connected=False, idle=600, max_age=43200):
    use = Use(NOW - last_used_ago, connected)
    return reason_to_stop(session(age), use, idle=idle, max_age=max_age, now=NOW)


def test_an_unused_session_stops():
    assert "10 min" in why(3600, 601)


def test_a_used_one_goes_on():
    assert why(3600, 599) is None


def test_an_open_tab_keeps_it():
    assert why(3600, 3600, connected=True) is None


def test_a_new_session_is_not_idle_before_its_first_use():
    assert why(30, 1e9) is None


def test_the_maximum_age_holds_even_for_used_ones():
    assert "12.0 h" in why(43201, 0, connected=True)


@pytest.mark.parametrize(
    ("status", "route", "expected"),
    [
        (None, None, Use(NOW - 100, False)),
        ({"last_activity": "2027-01-15T08:00:00Z", "connections": 0}, None, Use(NOW, False)),
        ({"last_activity": "nonsense", "connections": 2}, None, Use(NOW - 100, True)),
        ({}, RouteState("http://x", NOW - 5, 0), Use(NOW - 5, False)),
        ({}, RouteState("http://x", NOW - 5, 1), Use(NOW - 5, True)),
    ],
)
def test_use_is_the_newest_that_jupyter_or_the_gateway_saw(status, route, expected):
    assert use_of(session(100), status, route) == expected


def test_walls_are_looked_at_each_round_and_a_gap_is_logged_once(caplog):
    caplog.set_level("INFO")
    runtime, said = FakeRuntime(), [None, "a gap", "a gap", None]
    runtime.protect = lambda: said.pop(0)
    reaper = Reaper(SimpleNamespace(runtime=runtime), idle=1, max_age=1)
    for _ in range(4):
        reaper.look_at_walls()
    logged = said_by(caplog, "launcher.sessions.reaper")
    assert [one.levelname for one in logged] == ["INFO", "WARNING", "INFO"]
    assert "a gap" in logged[1].getMessage()


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
def test_a_clock_that_jumps_stops_nobody_and_then_goes_on_as_ever(jump):
    wall, steady = [NOW], [5000.0]
    clock = Jumps("so", wall=lambda: wall[0], steady=lambda: steady[0])

    def pass_(seconds):
        wall[0] += seconds
        steady[0] += seconds

    def why(last):
        now, jumped = wall[0], clock.last()
        found, use = after_jump(session(100), Use(last, False), jumped=jumped, now=now)
        return reason_to_stop(found, use, idle=600, max_age=43200, now=now)

    assert why(NOW) is None
    pass_(15)
    wall[0] += jump
    assert why(NOW) is None
    pass_(590)
    assert why(NOW) is None
    used = wall[0]
    pass_(590)
    assert why(used) is None, "used since then"
    pass_(30)
    assert "10 min" in why(used)


def test_small_corrections_of_the_clock_are_no_jump(caplog):
    wall, steady = [NOW], [0.0]
    clock = Jumps("so", wall=lambda: wall[0], steady=lambda: steady[0])
    for _ in range(100):
        wall[0] += 16.0
        steady[0] += 15.0
        assert clock.last() == 0.0
    assert not said_by(caplog, "launcher.clock")


def test_while_people_wait_an_unused_session_stops_earlier_and_its_files_stay(tmp_path):
    capacity = Capacity(Plan(memory=1, reserve=1, largest=1), Measured(None))
    sessions = fake_sessions(tmp_path, queue=Queue(capacity, Line(None), 60, 60))
    spec, running = sessions.ensure("ann", "c", "i", "/launch", lambda progress: None)
    (spec.home / "work.txt").write_text("mine")
    sessions.gateway.known[spec.id] = RouteState(running.address, time.time() - 400, 0)
    reaper = Reaper(sessions, idle=600, max_age=1e12, when_full=300)
    assert reaper.round() == []
    with pytest.raises(NoRoom):
        sessions.ensure("bob", "c", "i", "/launch", lambda progress: None)
    assert reaper.round() == [spec.id]
    assert (spec.home / "work.txt").read_text() == "mine"
    assert sessions.history.find(spec.id).why.endswith("min, and others waited for a place")
    assert sessions.queue.called([("bob", "c")], 0) == {("bob", "c")}


@pytest.fixture
def reaper(sessions):
    """Of a session whose page was closed seven minutes ago; it began at the clock's begin."""
    spec, running = sessions.ensure("ann", "c", "i", "/launch", lambda progress: None)
    sessions.gateway.known[spec.id] = RouteState(running.address, time.time() - 420, 0)
    return Reaper(sessions, idle=600, max_age=1e12, notices=Notices())


def test_a_cell_that_runs_is_use_and_nobody_is_told_of_an_end(reaper, sessions, kernels):
    (session,) = sessions.runtime.rows
    kernels[:] = [{"execution_state": "idle"}, {"execution_state": "busy"}]
    assert reaper.round() == []
    assert reaper.notices.of(session) == []
    reaper.idle = 400
    assert reaper.round() == []
    assert reaper.notices.of(session) == []
    kernels[1] = {"execution_state": "idle"}
    reaper.idle = 600
    assert reaper.round() == []
    assert "is not used and stops in" in reaper.notices.of(session)[0].text
    reaper.idle = 400
    assert reaper.round() == [session]


def test_a_cell_that_runs_is_no_reason_to_be_older_than_allowed(reaper, sessions, kernels):
    kernels[:] = [{"execution_state": "busy"}]
    reaper.max_age = time.time() - 60
    reaper.idle = 400
    (session,) = sessions.runtime.rows
    assert reaper.round() == [session]
    assert "the longest allowed" in sessions.history.find(session).why


def test_a_session_that_is_used_is_not_asked_what_it_runs(reaper, sessions, monkeypatch):
    monkeypatch.setattr(sessions, "computes", None)
    (session,) = sessions.runtime.list()
    for last, websockets in ((time.time() - 5, 0), (0.0, 1)):
        sessions.gateway.known[session.id] = RouteState(session.address, last, websockets)
        assert reaper.round() == []


@pytest.mark.parametrize("said", [None, {"kernels": 0, "last_activity": "", "connections": 0}])
def test_a_server_that_hangs_or_has_no_kernel_is_not_asked_again(reaper, monkeypatch, said):
    monkeypatch.setattr(reaper.sessions, "status", lambda session: said)
    monkeypatch.setattr(reaper.sessions, "computes", None)
    reaper.idle = 400
    assert len(reaper.round()) == 1


def told(age, last_used_ago, *, connected=False, idle=600, max_age=43200):
    use = Use(NOW - last_used_ago, connected)
    return ending(session(age), use, idle=idle, max_age=max_age, now=NOW)


def test_five_minutes_before_an_idle_stop_the_student_is_told_and_can_keep_it():
    assert told(3600, 299) is None
    notice = told(3600, 400)
    assert "3 minutes" in notice.text
    assert notice.keep
    assert told(3600, 400, connected=True) is None
    assert told(3600, 595).text.count("less than a minute") == 1


def test_a_session_near_its_longest_age_says_so_and_cannot_be_kept():
    notice = told(43200 - 200, 0, connected=True)
    assert "longest time" in notice.text
    assert not notice.keep
    assert told(43200 - 301, 0, connected=True) is None
