"""When the launcher ends, nothing of nobody's is left, and nothing keeps it from ending."""

import threading
import time

import pytest

from launcher.errors import LaunchError
from tests.launcher.warm.fake_warm import I1, take, until


def begin_no_more(pool):
    """No round that goes on meanwhile begins another one."""
    asked = []
    pool.wishes = lambda: asked.append(1)
    until(lambda: asked)


def test_all_are_stopped_side_by_side_when_the_launcher_ends(pool, warm, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    begin_no_more(pool)
    stop, together = runtime.stop, threading.Barrier(3)

    def stop_together(session_id):
        together.wait(60)  # as long as it takes all three
        stop(session_id)

    runtime.stop = stop_together
    pool.stop()
    assert runtime.rows == {}


def test_a_launch_gets_none_that_the_launcher_is_just_stopping(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    begin_no_more(pool)
    stop, got = runtime.stop, []

    def click_meanwhile(session_id):
        got.append(pool.reserve(I1))
        stop(session_id)

    runtime.stop = click_meanwhile
    pool.stop()
    assert got == [None, None, None]


def test_one_that_does_not_end_keeps_no_launcher_from_ending(pool, warm, runtime, monkeypatch):
    monkeypatch.setattr("launcher.warm.pool.END", 0.2)
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    begin_no_more(pool)
    may_end = threading.Event()
    runtime.stop = lambda session_id: may_end.wait(30)
    warm.sweep = lambda keep, *, unfinished: None
    pool.stop()
    assert not may_end.is_set()
    may_end.set()


@pytest.mark.parametrize("what", ["a start", "a round", "the last look"])
def test_nothing_that_hangs_keeps_a_launcher_from_ending(pool, warm, what, monkeypatch):
    monkeypatch.setattr("launcher.warm.pool.END", 0.2)
    may_end, hangs = threading.Event(), threading.Event()

    def hang(*_, **__):
        hangs.set()
        may_end.wait(30)
        raise LaunchError("the engine is away")

    if what == "a start":
        warm.start = hang
    if what == "a round":
        pool.wishes = hang
    pool.start()
    if what == "the last look":
        until(lambda: pool.counts() == {I1: 3})
        warm.sweep = hang
    else:
        assert hangs.wait(60)
    began = time.monotonic()
    pool.stop()
    assert time.monotonic() - began < 20
    may_end.set()


def test_nothing_of_nobody_s_is_left_when_the_launcher_ends(pool, warm, runtime, tmp_path):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    _, given = take(pool, tmp_path)
    warm.pause = 0.05
    pool.stop()
    assert set(runtime.rows) == {given.id}
