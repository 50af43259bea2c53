"""Capacity: what is promised is never more than there is, and every place comes back."""

import threading

import pytest

from launcher.room.capacity import GB, MB, Capacity, Plan, plan_memory
from launcher.room.measured import Measured
from launcher.session import Session

IMAGE = "env/intro:1234-abcd"


def capacity(**plan):
    given = {"memory": 4 * GB, "reserve": 1 * GB, "largest": 2 * GB} | plan
    return Capacity(Plan(**given), Measured(None))


def session(name, *, running=True, image=IMAGE):
    return Session(name, "s", "c", image, "", 0.0, "http://x" if running else "", running)


def hold(room, name, student="", course="c", image=IMAGE, **more):
    return room.hold(name, student or name, course, image, **more)


def test_sessions_that_start_count_and_one_that_failed_gives_its_room_back():
    room = capacity()
    assert [hold(room, name) for name in "abcd"] == [None] * 4
    assert "memory" in hold(room, "e").why
    room.release("b")
    room.release("b")
    assert hold(room, "e") is None
    assert hold(room, "f")


def test_room_moves_to_a_session_that_was_ready_even_where_all_is_taken():
    room = capacity(memory=2 * GB, sessions=2)
    assert hold(room, "admitted", "ann") is None
    assert hold(room, "b") is None
    room.move("admitted", "ready")
    assert {(one.session, one.student, one.starting) for one in room.held()} == {
        ("ready", "ann", False),
        ("b", "b", True),
    }
    room.agree(lambda: [session("ready")])  # the runtime shows it, so it stays
    assert hold(room, "c")
    room.release("ready")
    assert hold(room, "c") is None


def test_a_hundred_at_once_get_as_many_places_as_there_are():
    room, taken = capacity(memory=10 * GB), []
    threads = [
        threading.Thread(target=lambda n=n: taken.append(hold(room, f"s{n}"))) for n in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(None) == 10


def test_the_first_session_starts_however_small_the_machine_is():
    room = capacity(memory=1)
    assert room.fits(IMAGE) == 1
    assert hold(room, "a") is None
    assert hold(room, "b")
    assert room.fits(IMAGE) == 0


def test_limits_of_a_student_and_of_a_course_hold_nobody_else_up():
    room = capacity(per_student=1, per_course=2)
    assert hold(room, "a", "ann") is None
    mine = hold(room, "b", "ann", "other")
    assert mine.own
    assert "My sessions" in mine.why
    assert hold(room, "c", "bob") is None
    course = hold(room, "d", "cid")
    assert course.own
    assert "course" in course.why


def test_the_most_sessions_are_held_to():
    room = capacity(sessions=1)
    assert hold(room, "a") is None
    assert "places" in hold(room, "b").why
    assert room.fits(IMAGE) == 0


def test_a_session_that_replaces_another_needs_no_second_place():
    room = capacity(memory=1 * GB)
    hold(room, "old", "ann")
    assert hold(room, "new", "ann", instead_of="old") is None
    assert hold(room, "other"), "the old one has not stopped yet"
    room.release("old")
    assert [one.session for one in room.held()] == ["new"]


def test_one_that_uses_more_than_was_set_aside_counts_with_that():
    room = capacity()
    hold(room, "a")
    room.measured.now = {"a": int(3.5 * GB)}
    assert room.fits(IMAGE) == 0
    assert hold(room, "b")


def test_what_is_set_aside_follows_what_was_measured_and_never_passes_the_limit():
    room = capacity()
    assert room.reserve(IMAGE) == GB
    used = {f"s{n}": 200 * MB for n in range(5)}
    room.measured.sample(used, dict.fromkeys(used, IMAGE))
    assert room.reserve("env/intro:of-another-version") == 200 * MB
    assert room.reserve("env/other:1") == GB
    used = {f"big{n}": 9 * GB for n in range(50)}
    room.measured.sample(used, dict.fromkeys(used, IMAGE))
    assert room.reserve(IMAGE) == 2 * GB


def test_the_account_follows_the_runtime_and_leaves_alone_what_starts_meanwhile():
    calls = []
    room = capacity()
    room.freed = lambda: calls.append("freed")
    hold(room, "gone")
    room.started("gone")
    hold(room, "starting")

    def look():
        hold(room, "begun-while-looking")
        room.started("begun-while-looking")
        return [session("found"), session("ended", running=False)]

    room.agree(look)
    names = {one.session for one in room.held()}
    assert names == {"found", "starting", "begun-while-looking"}
    assert calls == ["freed"]


def test_what_ends_or_is_given_out_while_the_runtime_is_looked_at_stays_so():
    room = capacity()
    for name in ("ends", "given"):
        hold(room, name)
        room.started(name)

    def look():
        seen = [session("ends")]
        room.release("ends")
        room.release("given")  # a warm one: its room is the launch's that takes it
        assert hold(room, "given", "ann") is None
        room.started("given")
        return seen

    room.agree(look)
    assert [(one.session, one.student) for one in room.held()] == [("given", "ann")]
    room.agree(lambda: [session("ends")])
    assert [one.session for one in room.held()] == ["ends"], "the next look counts again"


def test_a_look_that_fails_is_over():
    room = capacity()
    with pytest.raises(OSError, match="away"):
        room.agree(lambda: (_ for _ in ()).throw(OSError("the engine is away")))
    assert not room._looks


def test_a_session_is_never_in_its_own_way():
    room = capacity(memory=1 * GB)
    assert hold(room, "warm") is None
    assert hold(room, "warm", "ann") is None


@pytest.mark.parametrize(
    ("setting", "total", "memory"), [(None, 24, 22), (None, 3, 1.5), (5, 24, 5)]
)
def test_memory_is_the_machine_s_less_the_system_s(setting, total, memory):
    given = setting and setting * GB
    assert plan_memory(given, 2 * GB, total=lambda: total * GB) == memory * GB
