"""The line: first come first served, no place lost, none given twice, never more than there is."""

import atexit
import contextlib
import functools
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from launcher.database import Database, DatabaseTrouble
from launcher.errors import NoRoom
from launcher.room.capacity import MB, Capacity, Plan
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.pace import Pace, about
from launcher.room.queue import PRESENT, Queue, Standing
from launcher.session import Session

PLACES, TAKE, GRACE = 2, 90.0, 300.0
IMAGE = "env/intro:1-2"


class Clock:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


def make(database=None, clock=None, places=PLACES, **plan):
    given = {"memory": places * 100 * MB, "reserve": 100 * MB, "largest": 2**40} | plan
    capacity = Capacity(Plan(**given), Measured(None))
    return Queue(capacity, Line(database), TAKE, GRACE, now=clock or Clock())


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return make(clock=clock)


def click(queue, student, **more):
    """The session's id, or None for a place in line."""
    try:
        session = queue.admit(student, "c", IMAGE, **more)
    except NoRoom:
        return None
    queue.capacity.started(session)
    return session


def called(queue, *students):
    return sorted(who for who, _ in queue.called({(s, "c") for s in students}, 0))


def full(queue, *line):
    """The sessions that take all places, with these students in line."""
    sessions = [click(queue, f"first{n}") for n in range(PLACES)]
    assert all(sessions)
    for student in line:
        assert click(queue, student) is None
    return sessions


def number(queue, student):
    return queue.standing(student, "c").number


def test_places_free_in_the_order_of_the_clicks(queue):
    one, two = full(queue, "ann", "bob", "cid")
    assert [number(queue, who) for who in ("ann", "bob", "cid")] == [1, 2, 3]
    queue.capacity.release(one)
    assert called(queue, "ann", "bob", "cid") == ["ann"]
    assert called(queue, "ann", "bob", "cid") == [], "each is called once"
    assert click(queue, "late") is None, "the room is kept for ann"
    assert click(queue, "ann")
    queue.capacity.release(two)
    assert called(queue, "cid", "bob") == ["bob"]
    assert click(queue, "bob")
    assert number(queue, "cid") == 1


def test_a_second_click_keeps_the_place(queue):
    full(queue, "ann", "bob")
    assert queue.lacking() == 2
    assert click(queue, "ann") is None
    assert number(queue, "ann") == 1
    assert queue.length() == 2


def test_a_place_that_nobody_takes_goes_to_the_next_and_who_is_back_soon_is_first_again(
    queue, clock
):
    one, two = full(queue, "ann", "bob")
    clock.at += PRESENT + 1  # ann's page is gone
    queue.seen("bob", "c")
    queue.capacity.release(one)
    assert called(queue, "ann", "bob") == [], "it is kept for ann for a while"
    clock.at += TAKE + 1
    queue.seen("bob", "c")
    assert called(queue, "ann", "bob") == ["bob"]
    assert click(queue, "bob")
    queue.seen("ann", "c")
    queue.capacity.release(two)
    assert called(queue, "ann") == ["ann"]


def test_a_tab_in_the_background_that_asks_once_a_minute_gets_its_place(queue, clock):
    one, _ = full(queue, "ann")
    clock.at += 50
    queue.capacity.release(one)
    assert called(queue, "ann") == []
    clock.at += 60
    queue.seen("ann", "c")
    assert called(queue, "ann") == ["ann"]


def test_who_is_away_for_long_loses_the_place_and_joins_at_the_end(queue, clock):
    full(queue, "ann", "bob")
    clock.at += GRACE - 1
    queue.seen("bob", "c")
    clock.at += 2
    called(queue)
    assert queue.standing("ann", "c") is None
    assert click(queue, "ann") is None
    assert number(queue, "ann") == 2


def test_leaving_gives_the_room_that_was_kept_to_the_next(queue):
    one, _ = full(queue, "ann", "bob")
    queue.capacity.release(one)
    assert called(queue, "ann", "bob") == ["ann"]
    assert queue.leave("ann", "c")
    assert not queue.leave("ann", "c")
    assert called(queue, "bob") == ["bob"]


def test_a_limit_of_one_s_own_holds_nobody_else_up():
    queue = make(per_student=1)
    assert click(queue, "ann")
    with pytest.raises(NoRoom):
        queue.admit("ann", "other", IMAGE)
    standing = queue.standing("ann", "other")
    assert "My sessions" in standing.sentence
    assert standing.place == "You wait for a place"
    assert queue.lacking() == 0, "nothing has to go for that"
    assert click(queue, "bob"), "there is room for others"


def test_who_needs_much_memory_is_not_overtaken_for_ever_by_those_who_need_little(queue):
    used = {f"m{n}": 150 * MB for n in range(5)}
    queue.capacity.measured.sample(used, dict.fromkeys(used, "env/large:1"))
    assert click(queue, "first")
    with pytest.raises(NoRoom):
        queue.admit("large", "c", "env/large:1")
    assert click(queue, "small") is None
    assert called(queue, "large", "small") == []
    assert number(queue, "small") == 2


def test_another_environment_of_the_same_course_needs_no_place_in_line(queue):
    one, _ = full(queue, "ann")
    assert click(queue, "first0", instead_of=one)


def test_a_restart_keeps_the_order_and_waits_for_nobody_for_ever(tmp_path, clock):
    before = make(Database.of(tmp_path), clock)
    sessions = full(before, "ann", "bob", "cid")
    after = make(Database.of(tmp_path), clock)
    running = [
        Session(s, f"first{n}", "c", IMAGE, "", 0, "x", True) for n, s in enumerate(sessions)
    ]
    after.capacity.agree(lambda: running)
    assert click(after, "new") is None
    assert [number(after, who) for who in ("ann", "bob", "cid", "new")] == [1, 2, 3, 4]
    after.seen("bob", "c")
    after.capacity.agree(lambda: running[:1])
    assert called(after, "bob", "new") == [], "kept for ann, whose page may come back"
    clock.at += TAKE + 1
    after.seen("bob", "c")
    assert called(after, "bob", "new") == ["bob"]


def test_who_has_room_and_no_session_yet_when_it_ends_keeps_the_place(tmp_path, clock):
    before = make(Database.of(tmp_path), clock)
    sessions = full(before, "ann", "bob")
    before.capacity.release(sessions[0])
    assert called(before, "ann", "bob") == ["ann"]
    assert click(before, "ann")
    assert before.standing("ann", "c") is None
    after = make(Database.of(tmp_path), clock)
    assert [number(after, who) for who in ("ann", "bob")] == [1, 2]
    before.done("ann", "c")
    after = make(Database.of(tmp_path), clock)
    assert number(after, "bob") == 1


def test_who_never_comes_back_after_a_restart_lacks_no_room_though_nobody_clicks(tmp_path, clock):
    sessions = full(make(Database.of(tmp_path), clock), "ann", "bob")
    after = make(Database.of(tmp_path), clock)
    running = [Session(one, one, "c", IMAGE, "", 0, "x", True) for one in sessions]
    after.capacity.agree(lambda: running)
    assert after.lacking() == 2, "they may come back"
    clock.at += GRACE + 1
    assert after.lacking() == 0
    assert after.line.all() == []


def test_room_that_is_kept_for_somebody_who_is_gone_is_free_though_nobody_clicks(queue, clock):
    one, _ = full(queue, "ann")
    clock.at += PRESENT + 1
    queue.capacity.release(one)
    assert queue.lacking() == 0, "it is kept for ann"
    assert queue.capacity.fits(IMAGE) == 0
    clock.at += TAKE + 1
    assert queue.lacking() == 0
    assert queue.capacity.fits(IMAGE) == 1


def test_a_guess_is_made_of_measured_sessions_only(queue):
    full(queue, "ann", "bob")
    assert queue.standing("bob", "c").seconds is None
    assert "About" not in queue.standing("bob", "c").sentence
    queue.pace.ended([50, 60, 70])
    assert queue.standing("bob", "c").seconds == pytest.approx(2 * 60 / PLACES)
    queue.pace.opened(5)
    assert queue.standing("bob", "c").seconds == pytest.approx(65)
    assert queue.standing("bob", "c").place == "You are number 2 of 2"
    assert queue.standing("bob", "c").sentence.startswith("About 1 min;")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "10 s"),
        (44, "40 s"),
        (90, "2 min"),
        (640, "10 min"),
        (1000, "15 min"),
        (4800, "1 h 20 min"),
    ],
)
def test_guesses_are_said_roughly(seconds, words):
    assert about(seconds) == words


def test_sessions_of_no_length_teach_nothing():
    pace = Pace()
    pace.ended([0, -5, 0, 0])
    assert pace.seconds_until(1, 5) is None


def test_a_database_that_cannot_be_written_costs_nobody_the_place(tmp_path, queue, monkeypatch):
    queue.line = Line(Database.of(tmp_path))
    monkeypatch.setattr(Database, "write", broken)
    full(queue, "ann")
    assert number(queue, "ann") == 1
    assert queue.leave("ann", "c")


@contextlib.contextmanager
def broken(database):
    raise DatabaseTrouble("the disk is full")
    yield


def test_what_is_said_of_a_place_has_no_number_for_a_limit_of_one_s_own():
    assert Standing(1, 2, 30.0).sentence.startswith("About 30 s")
    assert Standing(1, 2, None, "Stop one.").sentence == "Stop one."


@functools.cache
def empty_database():
    """One that is up to date, to copy: a second of migrations once."""
    folder = Path(tempfile.mkdtemp(prefix="launcher-tests-"))
    atexit.register(shutil.rmtree, folder)
    database = Database.of(folder)
    with database.read():
        database.close()
    return database.file


STUDENTS = st.integers(0, 7).map(lambda n: f"s{n}")


class Storm(RuleBasedStateMachine):
    """Anything that students, sessions, time and restarts do, in any order."""

    def __init__(self):
        super().__init__()
        self.clock = Clock()
        self.rows = []  # those whose place is kept, in the order of their clicks
        self.starting = set()  # those of them who have room, and whose session is being started
        self.seen = {}
        self.running = {}
        self.folder = tempfile.TemporaryDirectory()
        self.database = Database(Path(self.folder.name) / "test.sqlite")
        shutil.copy(empty_database(), self.database.file)
        self.queue = make(self.database, clock=self.clock, places=3)

    @property
    def line(self):
        """Those who wait."""
        return [one for one in self.rows if one not in self.starting]

    def teardown(self):
        self.database.close()
        self.folder.cleanup()

    @rule(student=STUDENTS)
    def clicks(self, student):
        if student in self.running:
            return
        self.forget()
        session = click(self.queue, student)
        self.seen[student] = self.clock.at
        if session:
            ahead = self.line[: self.line.index(student)] if student in self.line else self.line
            there = [one for one in ahead if self.clock.at - self.seen[one] <= PRESENT]
            assert all(self.place(one).offered for one in there), "somebody was passed over"
            self.begins(student, session)
        elif student not in self.line:
            self.rows.append(student)

    def begins(self, student, session):
        assert session not in self.running.values()
        self.running[student] = session
        if student in self.rows:
            self.starting.add(student)
        else:
            self.queue.done(student, "c")

    @precondition(lambda self: self.starting)
    @rule(data=st.data(), fails=st.booleans())
    def has_started(self, data, fails):
        student = data.draw(st.sampled_from(sorted(self.starting)))
        if fails:
            self.queue.capacity.release(self.running.pop(student))
        self.queue.done(student, "c")
        self.starting.remove(student)
        self.rows.remove(student)

    @rule(student=STUDENTS)
    def asks(self, student):
        self.forget()
        if student in self.line:
            self.queue.seen(student, "c")
            self.seen[student] = self.clock.at

    @rule()
    def calls(self):
        self.forget()
        for student, course in self.queue.called([(one, "c") for one in self.line], 0):
            self.begins(student, self.queue.admit(student, course, IMAGE))
            self.queue.capacity.started(self.running[student])

    @rule()
    def calls_and_the_launch_fails(self):
        self.forget()
        for student, course in self.queue.called([(one, "c") for one in self.line], 0):
            self.queue.leave(student, course)
            self.rows.remove(student)

    @rule(seconds=st.sampled_from([1.0, 5.0, 20.0, 100.0, 400.0]))
    def time_goes_by(self, seconds):
        self.clock.at += seconds

    @precondition(lambda self: self.running.keys() - self.starting)
    @rule(data=st.data())
    def ends(self, data):
        student = data.draw(st.sampled_from(sorted(self.running.keys() - self.starting)))
        self.queue.capacity.release(self.running.pop(student))

    @rule(student=STUDENTS)
    def leaves(self, student):
        self.forget()
        waits = student in self.line
        assert self.queue.leave(student, "c") == waits
        if waits:
            self.rows.remove(student)

    @rule()
    def restarts(self):
        self.forget()
        for student in self.starting:  # what was begun is cut off
            del self.running[student]
        self.starting.clear()
        again = make(self.database, clock=self.clock, places=3)
        sessions = [
            Session(key, who, "c", IMAGE, "", 0, "x", True) for who, key in self.running.items()
        ]
        again.capacity.agree(lambda: sessions)
        self.queue = again
        self.seen = dict.fromkeys(self.line, self.clock.at - PRESENT - 1)

    def place(self, student):
        return self.queue._places[student, "c"]

    def forget(self):
        """Those who were away for too long are gone; nobody else is."""
        self.queue.called([], 0)
        for student in list(self.line):
            if self.queue.standing(student, "c") is None:
                assert self.clock.at - self.seen[student] > GRACE, "a place was lost"
                self.rows.remove(student)

    @invariant()
    def never_more_than_there_is(self):
        held = self.queue.capacity.held()
        assert len(held) <= 3
        assert len({one.session for one in held}) == len(held)
        assert set(self.running.values()) <= {one.session for one in held}

    @invariant()
    def the_order_is_that_of_the_clicks(self):
        self.forget()
        numbers = [self.queue.standing(one, "c").number for one in self.line]
        assert numbers == list(range(1, len(numbers) + 1))
        assert [one.student for one in self.queue.line.all()] == self.rows

    @invariant()
    def no_room_is_idle_while_somebody_is_there(self):
        self.forget()
        places = [self.place(one) for one in self.line]
        waits = [one for one in places if not one.offered and not one.passed]
        assert not waits or self.queue.capacity.fits(IMAGE) == 0


TestStorm = Storm.TestCase
TestStorm.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
