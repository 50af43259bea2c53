"""Rehearsals in the background: two at a time, one for each link, and each has an end."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from launcher.rehearsal.rehearsal import Rehearsal, Rehearsals
from launcher.rehearsal.rehearsing import AT_ONCE, MOST_WAITING, Rehearsing, TooManyRehearsals
from link_generator.link import Link
from tests.waiting import wait_for

WELL = Rehearsal(1.0, 2.0, True, 3)


class Stage:
    """Rehearsals that last until they may end."""

    def __init__(self):
        self.go, self.now, self.most = threading.Event(), 0, 0
        self.guard = threading.Lock()

    def rehearse(self, link, say):
        with self.guard:
            self.now += 1
            self.most = max(self.most, self.now)
        say("  Session started")
        assert self.go.wait(120)
        with self.guard:
            self.now -= 1
        if link.env == "broken":
            raise KeyError("nobody thought of it")
        return WELL


@pytest.fixture
def stage():
    made = Stage()
    yield made
    made.go.set()


@pytest.fixture
def rehearsing(stage, tmp_path):
    return Rehearsing(stage.rehearse, Rehearsals(tmp_path / "rehearsals"))


def is_done(run):
    return lambda: run.state == "done"


def test_two_run_at_a_time_and_the_third_waits(rehearsing, stage):
    runs = [rehearsing.ensure(Link(f"env{number}")) for number in range(3)]
    wait_for(lambda: stage.now == AT_ONCE, 60, 0.01)
    assert runs[2].state == "waiting"
    wait_for(lambda: runs[0].steps, 60, 0.01)
    assert runs[0].steps == ["Session started"]
    stage.go.set()
    for run in runs:
        wait_for(is_done(run), 60, 0.01)
    assert stage.most == AT_ONCE
    assert rehearsing.find(runs[2].id) is runs[2]


def test_a_second_click_watches_the_first_rehearsal(rehearsing, stage):
    first = rehearsing.ensure(Link("env"))
    assert rehearsing.ensure(Link("env")) is first
    stage.go.set()
    wait_for(is_done(first), 60, 0.01)
    assert rehearsing.ensure(Link("env")) is not first, "one that ended can be done again"


def test_how_it_went_is_kept_for_the_checklist(rehearsing, stage):
    stage.go.set()
    wait_for(is_done(rehearsing.ensure(Link("env"))), 60, 0.01)
    assert rehearsing.kept.last(Link("env")) == WELL


def test_two_that_end_at_once_are_both_kept_whole(tmp_path):
    kept, well = Rehearsals(tmp_path / "rehearsals"), replace(WELL, error="x" * 100_000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: kept.keep(Link("env"), well), range(200)))
    assert kept.last(Link("env")) == well


def test_one_that_breaks_ends_and_holds_up_nothing(rehearsing, stage):
    stage.go.set()
    for _ in range(AT_ONCE + 1):
        run = rehearsing.ensure(Link("broken"))
        wait_for(is_done(run), 60, 0.01)
        assert run.result.error.startswith("The rehearsal broke on this server")
    assert rehearsing.kept.last(Link("broken")).ok is False


def test_no_more_wait_than_will_be_done_soon(rehearsing):
    for number in range(AT_ONCE + MOST_WAITING):
        rehearsing.ensure(Link(f"env{number}"))
    with pytest.raises(TooManyRehearsals):
        rehearsing.ensure(Link("one-more"))
