"""A click takes a warm session where that is the same for the student, with its room."""

import time
from dataclasses import replace

import pytest

from launcher.errors import NoRoom
from launcher.homes.home import Homes
from launcher.session import Limits
from launcher.sessions.sessions import Sessions
from tests.fakes import FakeGateway
from tests.launcher.warm.fake_warm import I1, until


class FakeHistory:
    def started(self, spec):
        pass

    def ended(self, session_id, why):
        return None


@pytest.fixture
def sessions(tmp_path, runtime, warm, pool):
    """The sessions of a launcher with room for three, which are warm."""
    runtime.warm = warm
    pool.queue.capacity.plan = replace(pool.queue.capacity.plan, sessions=3)
    sessions = Sessions(
        runtime=runtime,
        gateway=FakeGateway(),
        homes=Homes(tmp_path / "homes"),
        history=FakeHistory(),
        secret=b"k" * 32,
        limits=Limits(1, 1, 1),
        start_timeout=1,
        queue=pool.queue,
        pool=pool,
    )
    pool.new_spec = sessions.spec_of_nobody
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    return sessions


def ensure(sessions, student, image="i1", egress="web"):
    return sessions.ensure(student, "c1", image, "l", lambda said: None, egress=egress)


def held(sessions):
    return {(one.student, one.session) for one in sessions.queue.capacity.held() if one.student}


def test_a_click_takes_a_warm_session_and_its_room_is_the_student_s(sessions, runtime):
    before = set(runtime.rows)
    spec, session = ensure(sessions, "s1")
    assert session.answered
    assert spec.id in before
    assert held(sessions) == {("s1", spec.id)}
    again, _ = ensure(sessions, "s1")
    assert again.id == spec.id


def test_warm_sessions_make_room_for_a_click_on_another_environment(sessions, runtime):
    spec, session = ensure(sessions, "s1", image="i2")
    assert not session.answered
    assert held(sessions) == {("s1", spec.id)}
    until(lambda: len(runtime.rows) == 3)


def test_who_waits_in_line_comes_before_warm_sessions(sessions, pool, runtime):
    pool.asked[I1] = 0
    for student in ("s1", "s2", "s3"):
        ensure(sessions, student)
    with pytest.raises(NoRoom):
        ensure(sessions, "s4")
    pool.asked[I1] = 3
    first = next(row for row in runtime.rows.values() if row.owner == "s1")
    sessions.stop(first.id, why="done")
    time.sleep(0.1)
    assert pool.counts() == {}
    sessions.queue.called([("s4", "c1")], 0)
    assert ensure(sessions, "s4")[1].owner == "s4"


def test_one_that_the_student_has_no_room_for_waits_for_another_one(sessions, pool):
    capacity = sessions.queue.capacity
    capacity.plan = replace(capacity.plan, per_student=1)
    sessions.ensure("s1", "c0", "i1", "l", lambda said: None)
    until(lambda: pool.counts() == {I1: 2})
    with pytest.raises(NoRoom):
        ensure(sessions, "s1")
    assert len(held(sessions)) == 1


def test_a_slot_that_fails_at_the_click_means_a_cold_start_with_the_same_folder(sessions, warm):
    home = sessions.homes.path("s1", "c1")
    home.mkdir(parents=True)
    (home / "work.txt").write_text("mine")
    warm.attaches = False
    spec, session = ensure(sessions, "s1")
    assert not session.answered
    assert (spec.home / "work.txt").read_text() == "mine"
    assert held(sessions) == {("s1", spec.id)}


def test_a_student_with_server_settings_starts_cold(sessions, runtime):
    settings = sessions.homes.path("s1", "c1") / ".jupyter"
    settings.mkdir(parents=True)
    (settings / "jupyter_server_config.json").write_text("{}")
    before = set(runtime.rows)
    spec, _ = ensure(sessions, "s1")
    assert spec.id not in before


def test_what_a_session_may_reach_is_part_of_its_kind(sessions, runtime):
    before = set(runtime.rows)
    spec, session = ensure(sessions, "s1", egress="none")
    assert spec.id not in before
    assert session.egress == "none"
