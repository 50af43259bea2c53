"""Ending a build from outside, silent or not."""

from __future__ import annotations

import threading

import pytest

from envs.errors import BuildCancelled, BuildFailed, OverLimit
from envs.halt import NO_HALT, Halt


def test_a_silent_step_ends_at_the_wish_and_the_reason_is_raised():
    wished, ended = threading.Event(), threading.Event()
    halt = Halt(wished.is_set, every=0.01)
    with pytest.raises(BuildCancelled), halt.ending(ended.set):  # noqa: PT012 - the step's own end
        wished.set()
        assert ended.wait(120)
        raise OSError("the connection was closed")


def test_a_silent_step_ends_at_the_time_limit():
    ended = threading.Event()
    halt = Halt(every=0.01).within(0.1)
    with pytest.raises(OverLimit, match=r"longer than 0 s"), halt.ending(ended.set):
        assert ended.wait(120)


def test_a_step_that_is_about_to_begin_is_ended_once_it_has():
    calls, enough = [], threading.Event()

    def end():
        calls.append(1)
        if len(calls) == 3:
            enough.set()

    with pytest.raises(BuildCancelled), Halt(lambda: True, every=0.01).ending(end):
        assert enough.wait(120)


def test_without_a_reason_a_step_ends_as_it_does():
    with NO_HALT.ending(lambda: pytest.fail("nobody wished it")):
        pass
    with pytest.raises(BuildFailed, match="no such package"), NO_HALT.ending(list):
        raise BuildFailed("no such package")


def test_nobody_waits_for_an_answer_after_the_wish_and_what_comes_of_it_late_is_dropped():
    asked, answered, dropped = threading.Event(), threading.Event(), []
    given = threading.Event()

    def ask():
        asked.set()
        assert answered.wait(120)
        return "late"

    def drop(answer):
        dropped.append(answer)
        given.set()

    with pytest.raises(BuildCancelled):
        Halt(asked.is_set, every=0.01).answer(ask, drop)
    assert dropped == []
    answered.set()
    assert given.wait(120)
    assert dropped == ["late"]


def test_an_answer_in_time_or_its_error_is_the_caller_s():
    assert NO_HALT.answer(lambda: 7) == 7
    with pytest.raises(KeyError):
        NO_HALT.answer(lambda: {}["x"])
    with pytest.raises(TimeoutError):
        NO_HALT.answer(raise_timeout)


def raise_timeout():
    raise TimeoutError("of the answer's own")
