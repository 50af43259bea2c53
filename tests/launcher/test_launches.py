"""Launches: they go on without the tab, and one click is one launch."""

import errno
import gc
import threading
import tracemalloc

import pytest

from launcher.errors import DiskFull, LaunchError
from launcher.launch import Opened
from launcher.launches import Launches
from launcher.progress import Phase, Progress
from launcher.room.capacity import Capacity, Plan
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.queue import Queue
from launcher.session import Session
from launcher.web.errors import explain
from link_generator.link import Link
from tests.waiting import wait_for

LINK = Link(env="gh/org/env", tag="v1")
OPENED = Opened(Session("ab12", "s", "c", "i", "", 0, "", True), "http://x/s/ab12/lab")


@pytest.fixture
def gate():
    return threading.Event()


@pytest.fixture
def launches(gate):
    def run(link, student, tell):
        tell(Progress(Phase.ENVIRONMENT, "building"))
        assert gate.wait(600)
        if student == "unlucky":
            raise ValueError("no")
        return OPENED

    return Launches(run, (ValueError,))


def test_two_clicks_at_once_are_one_launch(launches, gate):
    assert launches.ensure(LINK, "s1", "r1") is launches.ensure(LINK, "s1", "r2")
    gate.set()


BUILD = [f"Collecting package-{number}, a line as pip writes it" for number in range(500)]


def test_an_ended_launch_keeps_little_of_what_it_had_in_its_hands(monkeypatch):
    """A class whose build fails: each launch has the log, and an error that saw everything."""
    monkeypatch.setattr("launcher.launches.WATCHED", 0.0)

    def run(link, student, tell):
        files = [f"{student}/{number}" for number in range(20_000)]
        for line in BUILD:
            tell(Progress(Phase.ENVIRONMENT, f"{line} for {student}", log=True))
        try:
            raise ValueError(len(files))
        except ValueError as error:
            raise LaunchError("The build failed.") from error

    launches = Launches(run, (LaunchError,))

    def click(students):
        every = [launches.ensure(LINK, student, "r") for student in students]
        assert all(one.wait(120) for one in every)
        assert launches.ensure(LINK, "last", "r").wait(120)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = click(["first"])
        grown = click([f"s{number}" for number in range(40)]) - before
    finally:
        tracemalloc.stop()
    # 105 lines and their events; with all lines it is 140 kB, with the files 1.5 MB.
    assert grown / 40 < 45_000


def test_the_begin_and_the_end_of_a_long_log_are_kept_and_cursors_go_on(monkeypatch):
    def run(link, student, tell):
        tell(Progress(Phase.LINK, "Link read"))
        for line in BUILD:
            tell(Progress(Phase.ENVIRONMENT, line, log=True))
        tell(Progress(Phase.OPENING, "Opening"))
        return OPENED

    launches = Launches(run, ())
    launch = launches.ensure(LINK, "s1", "r1")
    assert launch.wait(120)
    launches.ensure(LINK, "s2", "r2")
    assert len(launch.events()) == 502, "who watches reads it to the end"
    monkeypatch.setattr("launcher.launches.WATCHED", 0.0)
    launches.ensure(LINK, "s3", "r3")
    said = [one.progress.message for one in launch.events()]
    assert said == ["Link read", *BUILD[:5], *BUILD[-100:], "Opening"]
    assert launch.cursor == 502
    assert [one.cursor for one in launch.events(500)] == [501, 502]
    assert launch.events(502) == []
    assert len(launch.events(3)) == 104, "whoever comes back late gets what is left"


def test_a_build_that_prints_without_end_fills_no_memory():
    said = (Progress(Phase.ENVIRONMENT, f"{number:0100}", log=True) for number in range(50_000))

    def run(link, student, tell):
        tell(Progress(Phase.LINK, "Link read"))
        for line in said:
            tell(line)
        tell(Progress(Phase.OPENING, "Opening"))
        return OPENED

    tracemalloc.start()
    try:
        launch = Launches(run, ()).ensure(LINK, "s1", "r1")
        assert launch.wait(120)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
    events = launch.events()
    assert launch.cursor == events[-1].cursor == 50_002
    assert events[0].progress.message == "Link read"
    log = [int(one.progress.message) for one in events if one.progress.log]
    assert log[:6] == [0, 1, 2, 3, 4, log[5]]
    assert log[5:] == list(range(log[5], 50_000)), "the newest lines, whole"
    assert 1000 <= len(log) <= 2000
    assert [one.cursor for one in launch.events(50_000)] == [50_001, 50_002]


def test_another_student_gets_another_launch(launches, gate):
    assert launches.ensure(LINK, "s1", "r1") is not launches.ensure(LINK, "s2", "r2")
    gate.set()


def test_a_click_after_the_end_was_seen_starts_afresh(launches, gate):
    first = launches.ensure(LINK, "s1", "r1")
    gate.set()
    assert first.wait(120)
    assert launches.ensure(LINK, "s1", "r2") is first, "nobody has seen it yet"
    first.told = True
    assert launches.ensure(LINK, "s1", "r3") is not first


def test_a_click_long_after_an_end_that_nobody_saw_starts_afresh(launches, gate, monkeypatch):
    opened = launches.ensure(LINK, "s1", "r1")
    failed = launches.ensure(LINK, "unlucky", "r1")
    gate.set()
    assert opened.wait(120)
    assert failed.wait(120)
    monkeypatch.setattr("launcher.launches.WATCHED", 0.0)
    assert launches.ensure(LINK, "s1", "r2") is not opened
    assert launches.find(opened.id, "s1") is opened, "a page may still follow it"
    assert launches.ensure(LINK, "unlucky", "r2") is failed, "why it failed is news"


def test_events_come_after_the_cursor(launches, gate):
    launch = launches.ensure(LINK, "s1", "r1")
    gate.set()
    launch.wait(120)
    assert [event.cursor for event in launch.events()] == [1]
    assert launch.events(1) == []
    assert launch.phase is Phase.READY


def test_a_failed_launch_holds_its_error(launches, gate):
    launch = launches.ensure(LINK, "unlucky", "r1")
    gate.set()
    assert launch.wait(120)
    assert launch.phase is Phase.FAILED
    assert str(launch.error) == "no"
    assert launches.ensure(LINK, "unlucky", "r2") is launch, "the page has not shown it yet"
    assert launches.ensure(LINK, "unlucky", "r2", retry=True) is not launch


def test_a_full_disk_is_said_wherever_it_is_met():
    def run(link, student, tell):
        raise OSError(errno.ENOSPC, "No space left on device")

    launch = Launches(run, (LaunchError,)).ensure(LINK, "s1", "r1")
    assert launch.wait(120)
    assert isinstance(launch.error, DiskFull)
    explained = explain(launch.error, request_id="r1")
    assert (explained.status, explained.code) == (503, "E-DISK")
    assert "disk is full" in explained.happened


@pytest.fixture
def no_threads(monkeypatch):
    """The machine has none to spare for what is named."""

    def refuse(named):
        start = threading.Thread.start

        def broken(thread):
            if thread.name.startswith(named):
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", broken)

    return refuse


def test_a_launch_that_gets_no_thread_ends_and_can_be_tried_again(
    launches, gate, no_threads, monkeypatch
):
    gate.set()
    no_threads("launch-")
    failed = launches.ensure(LINK, "s1", "r1")
    assert failed.wait(0)
    assert "too much to do" in failed.error.message
    assert explain(failed.error, request_id="r1").status == 503
    monkeypatch.undo()
    again = launches.ensure(LINK, "s1", "r2", retry=True)
    assert again.wait(120)
    assert again.opened


def test_nobody_else_can_watch(launches, gate):
    launch = launches.ensure(LINK, "s1", "r1")
    gate.set()
    assert launches.find(launch.id, "s1") is launch
    assert launches.find(launch.id, "s2") is None
    assert launches.find(launch.id, None) is None


class Box:
    """A line for one place, and launches that need it."""

    def __init__(self, places=1, **plan):
        given = {"memory": places * 100, "reserve": 100, "largest": 100} | plan
        capacity = Capacity(Plan(**given), Measured(None))
        self.queue = Queue(capacity, Line(None), take_within=60, grace=60)
        self.launches = Launches(self.run, (ValueError,), self.queue)
        self.told, self.broken = [], False

    def run(self, link, student, tell):
        tell(Progress(Phase.LINK, "read"))
        session = self.queue.admit(student, "c", "i")
        if self.broken:
            self.queue.capacity.release(session)
            raise ValueError("no")
        self.told.append(student)
        return Opened(Session(session, student, "c", "i", "", 0, "", True), "http://x/s/ab12/lab")

    def click(self, student):
        launch = self.launches.ensure(LINK, student, "r")
        assert launch.wait(120)
        return launch


def waiting(*launches):
    return all(launch.standing for launch in launches)


def test_a_hundred_in_line_hold_one_thread_and_are_served_in_order():
    box = Box()
    first = box.click("first")
    before = threading.active_count()
    rest = [box.click(f"s{n}") for n in range(100)]
    assert waiting(*rest)
    wait_for(lambda: threading.active_count() <= before + 2)
    wait_for(lambda: rest[6].standing.place == "You are number 7 of 100")
    session = first.opened.session.id
    for launch in rest:
        box.queue.capacity.release(session)
        wait_for(lambda launch=launch: launch.opened)
        session = launch.opened.session.id
    assert box.told == ["first", *(f"s{n}" for n in range(100))]
    wait_for(lambda: threading.active_count() <= before)


def test_whoever_watches_hears_each_new_place_and_the_story_begins_again():
    box = Box()
    first, second, third = box.click("s1"), box.click("s2"), box.click("s3")
    in_line = wait_for(lambda: [one for one in third.events() if one.progress.phase is Phase.QUEUE])
    said = in_line[-1].progress.message
    assert said.startswith("You are number 2 of 2. All places are taken.")
    box.launches.leave(second)
    wait_for(lambda: third.standing.number == 1)
    wait_for(lambda: "number 1 of 1" in third.events()[-1].progress.message)
    heard = len(third.events())
    box.queue.capacity.release(first.opened.session.id)
    assert third.wait_for_news(heard, 120)
    wait_for(lambda: third.opened)
    assert [event.progress.phase for event in third.events(third.again)] == [Phase.LINK]


def test_where_nobody_can_call_from_the_line_nobody_waits_for_ever(no_threads, monkeypatch):
    box = Box()
    first = box.click("s1")
    no_threads("queue")
    second = box.click("s2")
    wait_for(lambda: second.ended)
    assert "too much to do" in second.error.message
    assert box.queue.length() == 0
    monkeypatch.undo()
    third = box.click("s3")
    box.queue.capacity.release(first.opened.session.id)
    wait_for(lambda: third.opened)


def test_who_leaves_the_line_starts_nothing_and_clicks_afresh():
    box = Box()
    first, second = box.click("s1"), box.click("s2")
    box.launches.leave(second)
    assert second.ended
    assert box.queue.length() == 0
    box.queue.capacity.release(first.opened.session.id)
    again = box.click("s2")
    assert again is not second
    assert again.opened


def test_a_launch_that_fails_after_its_turn_gives_the_room_to_the_next():
    box = Box()
    first, second, third = box.click("s1"), box.click("s2"), box.click("s3")
    box.broken = True
    box.queue.capacity.release(first.opened.session.id)
    wait_for(lambda: second.error and third.error)
    box.broken = False
    assert box.click("s4").opened


def test_two_links_of_one_course_wait_in_one_place():
    box = Box()
    first, second = box.click("s1"), box.click("s2")
    other = box.launches.ensure(Link(env="gh/org/env", tag="v2"), "s2", "r")
    assert other.wait(120)
    assert (second.standing.of, other.standing.of) == (1, 1)
    assert first.opened
