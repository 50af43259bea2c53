"""Launches: they go on without the tab, and one click is one launch."""

import threading

import pytest

from launcher.launch import Opened
from launcher.launches import Launches
from launcher.progress import Phase, Progress
from launcher.session import Session
from link_generator.link import Link

LINK = Link(env="gh/org/env", tag="v1")
OPENED = Opened(Session("ab12", "s", "c", "i", "", 0, "", True), "http://x/s/ab12/lab")


@pytest.fixture
def gate():
    return threading.Event()


@pytest.fixture
def launches(gate):
    def run(link, student, tell):
        tell(Progress(Phase.ENVIRONMENT, "building"))
        gate.wait(5)
        if student == "unlucky":
            raise ValueError("no")
        return OPENED

    return Launches(run, (ValueError,))


def test_two_clicks_at_once_are_one_launch(launches, gate):
    assert launches.ensure(LINK, "s1", "r1") is launches.ensure(LINK, "s1", "r2")
    gate.set()


def test_another_student_gets_another_launch(launches, gate):
    assert launches.ensure(LINK, "s1", "r1") is not launches.ensure(LINK, "s2", "r2")
    gate.set()


def test_a_click_after_the_end_was_seen_starts_afresh(launches, gate):
    first = launches.ensure(LINK, "s1", "r1")
    gate.set()
    assert first.wait(5)
    assert launches.ensure(LINK, "s1", "r2") is first, "nobody has seen it yet"
    first.told = True
    assert launches.ensure(LINK, "s1", "r3") is not first


def test_events_come_after_the_cursor(launches, gate):
    launch = launches.ensure(LINK, "s1", "r1")
    gate.set()
    launch.wait(5)
    assert [event.cursor for event in launch.events()] == [1]
    assert launch.events(1) == []
    assert launch.phase is Phase.READY


def test_a_failed_launch_holds_its_error(launches, gate):
    launch = launches.ensure(LINK, "unlucky", "r1")
    gate.set()
    assert launch.wait(5)
    assert launch.phase is Phase.FAILED
    assert str(launch.error) == "no"
    assert launches.ensure(LINK, "unlucky", "r2") is launch, "the page has not shown it yet"
    assert launches.ensure(LINK, "unlucky", "r2", retry=True) is not launch


def test_nobody_else_can_watch(launches, gate):
    launch = launches.ensure(LINK, "s1", "r1")
    gate.set()
    assert launches.find(launch.id, "s1") is launch
    assert launches.find(launch.id, "s2") is None
    assert launches.find(launch.id, None) is None
