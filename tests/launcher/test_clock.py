"""Somebody sets the clock, forwards or back: what goes on meanwhile does not notice."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from flask import Flask

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
from launcher.web.launch import steps
from launcher.web.rate import RateLimit
from link_generator.link import Link
from tests.e2e.conftest import wait_for

DAY = 24 * 3600.0
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
    assert launch.wait(10)
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


@both_ways
def test_a_rehearsal_says_what_it_took(set_clock, by, tmp_path):
    def rehearse(link, say):
        set_clock(by)
        raise KeyError("nobody thought of it")

    run = Rehearsing(rehearse, Rehearsals(tmp_path)).ensure(LINK)
    wait_for(lambda: run.state == "done", 10, 0.01)
    assert 0 <= run.result.seconds < 60
