"""The class board: each student once, in the state that matters, without who they are."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from launcher.board import Board
from launcher.errors import NoRuntime, PathNotFound
from launcher.gateway.client import RouteState
from launcher.homes.home import course_name
from launcher.launch import Opened
from launcher.launches import Launches
from launcher.people.identity import code_of, new_guest
from launcher.progress import Phase, Progress
from launcher.room.queue import Standing
from launcher.sessions.history import BY_STUDENT
from link_generator.link import Link
from tests.fakes import FakeGateway, FakeRuntime, fake_sessions
from tests.waiting import wait_for

LINK = Link("intro", "v1", "https://h.org/course")
COURSE = course_name(LINK.repo)
CODE = functools.partial(code_of, b"x" * 32)


class Class:
    def __init__(self, folder):
        self.runtime, self.gateway = FakeRuntime(), FakeGateway()
        self.sessions = fake_sessions(
            folder, runtime=self.runtime, gateway=self.gateway, secret=b"x" * 32
        )
        self.go_on = threading.Event()
        self.launches = Launches(self.launch, (PathNotFound,))
        environments = SimpleNamespace(course=lambda link: course_name(link.repo))
        self.board = Board(
            self.sessions, self.launches, environments, CODE, lambda launch: str(launch.error)
        )

    def launch(self, link, student, tell):
        tell(Progress(Phase.CONTENT, "Copying course, a1b2c3d"))
        if link.path:
            raise PathNotFound(f"{link.path!r} is not in the course files.")
        self.go_on.wait(120)
        return Opened(self.start(student), "")

    def start(self, student, course=COURSE):
        return self.sessions.ensure(
            student, course, "env/intro:1-2", "?env=intro&app=notebook", print
        )[1]

    def rows(self):
        return {row.code: row for row in self.board.rows(COURSE)}


@pytest.fixture
def course(tmp_path):
    made = Class(tmp_path)
    yield made
    made.go_on.set()


def test_who_is_in_is_seen_with_the_memory_and_the_last_use(course):
    session = course.start("ann")
    course.gateway.known[session.id] = RouteState("", last_activity=5.0, websockets=0)
    course.sessions.queue.capacity.measured.now[session.id] = 300
    row = course.rows()[CODE("ann")]
    assert (row.state, row.app, row.environment) == ("in", "Notebook", "env/intro:1-2")
    assert (row.memory, row.used) == (300, 5.0)
    assert row.said == "No notebook is open now"
    course.gateway.known[session.id] = RouteState("", last_activity=5.0, websockets=1)
    assert course.rows()[CODE("ann")].said == "A notebook is open"
    assert course.board.courses() == {COURSE: 1}


def test_who_needs_help_comes_first_and_says_what_the_student_reads(course):
    course.start("ann")
    course.launches.ensure(LINK, "ben", "r1")
    failed = course.launches.ensure(replace(LINK, path="week9.ipynb"), "cleo", "r2")
    assert failed.wait(60)
    wait_for(lambda: course.rows()[CODE("ben")].said == "Copying course, a1b2c3d")
    rows = course.board.rows(COURSE)
    assert [row.state for row in rows] == ["failed", "opening", "in"]
    assert rows[0].said == "'week9.ipynb' is not in the course files."
    assert course.board.courses() == {COURSE: 2}, "who failed is not in"


def test_who_waits_is_seen_with_the_place(course):
    launch = course.launches.ensure(LINK, "ben", "r1")
    launch.stand(Standing(7, 12, None))
    assert course.rows()[CODE("ben")].said == "Number 7 of 12 in line"
    assert course.rows()[CODE("ben")].state == "waiting"


def test_a_failure_is_over_once_the_student_is_in(course):
    failed = course.launches.ensure(replace(LINK, path="week9.ipynb"), "cleo", "r2")
    assert failed.wait(60)
    assert course.rows()[CODE("cleo")].state == "failed"
    course.go_on.set()
    assert course.launches.ensure(LINK, "cleo", "r3").wait(60)
    assert course.rows()[CODE("cleo")].state == "in"


def test_a_session_that_ended_says_why_for_two_hours(course):
    for student, why in (("ann", "it was not used for 60 min"), ("ben", BY_STUDENT)):
        course.sessions.stop(course.start(student).id, why=why)
    assert course.rows()[CODE("ann")].said == "it was not used for 60 min"
    assert course.rows()[CODE("ben")].said == "the student stopped it"
    later = replace(course.board, now=lambda: course.board.now() + 2 * 3600 + 60)
    assert later.rows(COURSE) == []


def test_other_courses_programs_and_names_are_not_on_it(course):
    course.start("ann", "other-12345678")
    course.start(new_guest())
    course.start("ben")
    rows = course.board.rows(COURSE)
    assert [row.code for row in rows] == [CODE("ben")]
    assert "ben" not in str(rows)


def test_classes_are_listed_while_the_engine_is_away(course):
    def gone(owner=""):
        raise NoRuntime("The engine does not answer.")

    course.runtime.list = gone
    assert course.board.courses() == {}
