"""Warm sessions that do not start, or cannot be given out: said, and tried again later."""

import time
from dataclasses import replace

import pytest

from tests.launcher.warm.fake_warm import I1, spec_of_nobody, take, until
from tests.logged import said_by


def troubles(pool):
    return {kind: one.why for kind, one in pool._trouble.items()}


def test_what_cannot_start_is_tried_again_later_and_later(pool, warm):
    warm.fails = True
    pool.start()
    until(lambda: troubles(pool) == {I1: "no such image"})
    again = pool._trouble[I1].again
    assert again > time.monotonic()
    until(lambda: pool.starting() == 0)
    begun = warm.begun
    time.sleep(0.1)
    assert warm.begun == begun <= pool.at_once
    warm.fails = False
    pool._trouble[I1].again = 0
    until(lambda: pool.counts() == {I1: 3})
    assert troubles(pool) == {}


def test_what_fails_while_the_engine_is_gone_keeps_no_room_and_is_told_once(
    pool, warm, runtime, monkeypatch, caplog
):
    def stop(session_id):
        raise OSError("the engine does not answer")

    warm.fails = True
    monkeypatch.setattr(runtime, "stop", stop)
    pool.start()
    until(lambda: troubles(pool) and warm.starting == 0)
    until(lambda: pool.queue.capacity.held() == [])
    for begun in (2, 4, 6):
        until(lambda begun=begun: warm.begun >= begun and not pool.starting())
        pool._trouble[I1].again = 0
    said = said_by(caplog, "launcher.warm.pool", "launcher.rounds")
    assert sorted(one.getMessage() for one in said) == [
        "a session was not started in advance: no such image",
        "stopping a warm session failed: OSError: the engine does not answer",
    ]
    monkeypatch.undo()


def test_an_image_whose_sessions_cannot_be_given_out_is_said_and_left_alone(pool, warm, runtime):
    warm.unsettled = "its server writes 'x' into its home when it starts"
    pool.start()
    until(lambda: "writes 'x'" in troubles(pool).get(I1, ""))
    until(lambda: not runtime.rows)
    assert pool.counts() == {}


def test_a_server_that_never_answers_is_given_up(pool, runtime):
    pool.answers, pool.start_timeout = lambda session: False, 0.3
    pool.start()
    until(lambda: "did not answer" in troubles(pool).get(I1, ""))
    until(lambda: not runtime.rows)


def test_one_that_died_while_it_waited_is_replaced(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    dead = next(iter(runtime.rows.values()))
    runtime.rows[dead.id] = replace(dead, running=False)
    pool._tidied = 0
    until(lambda: dead.id not in runtime.rows and pool.counts() == {I1: 3})


def test_none_is_kept_where_that_cannot_work_and_leftovers_go(pool, warm, runtime, tmp_path):
    runtime.start(spec_of_nobody(I1))
    warm.why = "only root may"
    pool.start()
    assert pool.problem == "only root may"
    assert take(pool, tmp_path) is None
    until(lambda: not runtime.rows)


def test_one_that_cannot_be_looked_into_is_the_last_that_is_started(
    pool, warm, runtime, monkeypatch
):
    """Before the first container nobody could know; then no container is wasted every minutes."""
    monkeypatch.setattr("launcher.warm.pool.LONGEST_PAUSE", 0.0)  # kinds that fail: again at once

    def settle(session_id):
        warm.why = "no such process"
        return "the engine does not see what the launcher mounts"

    warm.settle = settle
    pool.start()
    until(lambda: pool.problem == "no such process")
    until(lambda: not runtime.rows and not pool.starting())
    begun = warm.begun
    time.sleep(0.2)
    assert warm.begun == begun <= 3
    assert pool.counts() == {}


@pytest.fixture
def failing(pool, warm, runtime, monkeypatch):
    """A pool with three ready sessions to which this machine has just become too small."""
    monkeypatch.setattr("launcher.warm.pool.TIDY", 0.1)
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    warm.why = warm.unsettled = "too many open files"
    pool.asked[I1] = 4
    until(lambda: pool.problem)
    return pool


def test_sessions_that_nobody_gets_any_more_hold_no_room(failing, runtime):
    until(lambda: runtime.rows == {} and failing.queue.capacity.held() == [])
    assert failing.counts() == {}


def test_what_has_failed_for_a_moment_is_tried_again(failing, warm):
    time.sleep(0.3)
    until(lambda: not failing.starting())
    begun = warm.begun
    time.sleep(0.3)
    assert warm.begun == begun, "none is started only to look"
    warm.why = warm.unsettled = None
    failing._trouble[I1].again = 0
    until(lambda: failing.counts() == {I1: 4})
    assert failing.problem == ""
