"""Somebody sets the clock, forwards or back: what goes on meanwhile does not notice."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import pytest
from flask import Flask

from launcher.cleanup import cleanup, leftovers
from launcher.clock import Jumps
from launcher.launch import Opened
from launcher.launches import Launches
from launcher.progress import Phase, Progress
from launcher.rehearsal.rehearsal import Rehearsals
from launcher.rehearsal.rehearsing import Rehearsing
from launcher.session import Session
from launcher.sessions.notices import MEMORY, Notice, Notices
from launcher.warm.demand import Kind
from launcher.warm.pool import Pool
from launcher.web.clicks import ClickLimits, TooManyLaunches
from launcher.web.launch_json import steps
from launcher.web.rate import RateLimit
from link_generator.link import Link
from tests.waiting import wait_for

HOUR = 3600.0
DAY = 24 * HOUR
LINK = Link(env="gh/org/env", tag="v1")
OPENED = Opened(Session("ab12", "s", "c", "i", "", 0, "", True), "http://x/s/ab12/lab")

both_ways = pytest.mark.parametrize("by", [DAY, -DAY])


@pytest.fixture
def set_clock(monkeypatch):
    real = time.time
    return lambda by: monkeypatch.setattr(time, "time", lambda: real() + by)


@both_ways
def test_it_frees_nobody_of_a_limit_and_locks_nobody_out(set_clock, by):
    limit = RateLimit(2, window=3600)
    assert limit.take("x").allowed
    set_clock(by)
    assert limit.take("x").allowed
    full = limit.take("x")
    assert not full.allowed
    assert 3590 < full.wait <= 3600
    assert 3590 < full.reset - time.time() <= 3600, "by the clock that people see"


@both_ways
def test_a_launch_that_was_counted_is_not_counted_again(set_clock, by):
    limits = ClickLimits(RateLimit(1), RateLimit(0))
    with Flask("x").test_request_context():
        limits.check("s1", LINK)
        set_clock(by)
        limits.check("s1", LINK)
        with pytest.raises(TooManyLaunches):
            limits.check("s1", Link(env="gh/org/other", tag="v1"))


@both_ways
def test_a_launch_is_known_after_its_end_and_says_what_it_took(set_clock, by):
    def run(link, student, tell):
        tell(Progress(Phase.ENVIRONMENT, "building"))
        set_clock(by)
        tell(Progress(Phase.SESSION, "starting"))
        return OPENED

    launches = Launches(run, ())
    launch = launches.ensure(LINK, "s1", "r1")
    assert launch.wait(60)
    assert launches.ensure(LINK, "s1", "r2") is launch
    took = [one["seconds"] for one in steps(launch) if one["seconds"] is not None]
    assert len(took) == 2
    assert all(0 <= seconds < 60 for seconds in took), took
    assert 0 <= launch.ended - launch.started < 60


@both_ways
def test_a_death_for_want_of_memory_is_still_told(set_clock, by):
    notices = Notices()
    notices.put("ab12", Notice(MEMORY, "a program was ended", time.time()))
    set_clock(by)
    assert notices.of("ab12")


@both_ways
def test_clicks_of_the_last_minutes_are_still_demand(set_clock, by):
    kind, warm = Kind("i1"), SimpleNamespace()
    pool = Pool(None, warm, None, None, None, wishes=dict, most=5)
    pool._on = True
    assert pool.reserve(kind) is None
    set_clock(by)
    assert pool._wish() == {kind: 1}


class Clock:
    """Time passes by `sleep`; `set_` is what somebody does to the clock."""

    def __init__(self):
        self.wall, self.steady = time.time(), 0.0

    def sleep(self, seconds):
        self.wall += seconds
        self.steady += seconds

    def jumps(self):
        return Jumps("so", wall=lambda: self.wall, steady=lambda: self.steady)


@both_ways
def test_nothing_is_removed_on_the_day_after(by):
    clock, ended, removed = Clock(), Turns(12), []

    def each(number):
        clock.sleep(HOUR * 3)
        if number == 2:
            clock.wall += by

    def run():
        removed.append(ended.number)
        return []

    ended.each = each
    cleanup.regularly(run, 1, ended, clock.jumps())
    assert removed == [1, 10, 11], "three hours after the jump is the third look"


def test_what_is_in_the_making_is_no_leftover_because_the_clock_jumped(tmp_path):
    clock, ended, there = Clock(), Turns(4), tmp_path / "tmpabcdefgh"
    there.touch()
    left = []

    def each(number):
        left.append(there.exists())
        clock.sleep(HOUR)
        if number == 1:
            clock.wall += DAY
            os.utime(there, (0, 0))

    ended.each = each
    leftovers.regularly(
        tmp_path, lambda **_: [], older=2 * HOUR - 1, ended=ended, clock=clock.jumps()
    )
    assert left == [True, True, True, False]


class Turns:
    """An event that is set after so many looks."""

    def __init__(self, most):
        self.number, self.most = 0, most

    def wait(self, _seconds):
        self.number += 1
        self.each(self.number)
        return self.number >= self.most


@both_ways
def test_a_rehearsal_says_what_it_took(set_clock, by, tmp_path):
    def rehearse(link, say):
        set_clock(by)
        raise KeyError("nobody thought of it")

    run = Rehearsing(rehearse, Rehearsals(tmp_path)).ensure(LINK)
    wait_for(lambda: run.state == "done", 60, 0.01)
    assert 0 <= run.result.seconds < 60
