"""Class times: the clock on the wall counts, whatever summer time or a set clock do."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from launcher.classes.classes import Classes
from launcher.classes.times import (
    BEFORE,
    BadClassTime,
    ClassTime,
    parse_moment,
    read_weekly,
)
from launcher.database import Database

TUESDAY = {"day": "tue", "time": "10:00", "env": "intro", "students": 40}


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def weekly(**more):
    return read_weekly([TUESDAY | more])[0]


def test_a_weekly_class_is_at_the_same_hour_in_summer_and_winter(berlin):
    assert weekly().next(utc("2026-03-25T12:00")).starts == utc("2026-03-31T08:00")
    assert weekly().next(utc("2026-03-18T12:00")).starts == utc("2026-03-24T09:00")
    assert weekly().next(utc("2026-10-26T12:00")).starts == utc("2026-10-27T09:00")


def test_an_hour_that_the_change_leaves_out_or_repeats_is_one_class(berlin):
    night = weekly(day="sunday", time="02:30")
    assert night.next(utc("2026-03-28T12:00")).starts == utc("2026-03-29T01:30")
    assert night.next(utc("2026-10-24T12:00")).starts == utc("2026-10-25T00:30")


def test_every_week_has_its_class_and_each_is_near_for_half_an_hour(berlin):
    now, seen, near = utc("2026-01-01T00:00"), set(), 0
    step = timedelta(minutes=15).total_seconds()
    for _ in range(int(365 * 86400 / step)):
        one = weekly().next(now)
        assert one.ends > now
        assert one.starts - now <= 7 * 86400 + 3600
        if one.is_near(now):
            near += 1
            seen.add(one.starts)
        now += step
    assert len(seen) == 52
    assert near == 2 * 52


def test_a_class_that_is_on_is_still_the_next_one(berlin):
    starts = utc("2026-11-24T09:00")
    one = weekly(**{"for": "30m"}).next(starts + 1000)
    assert (one.starts, one.lasts) == (starts, 1800)
    assert one.is_near(starts - BEFORE)
    assert not one.is_near(starts - BEFORE - 1)
    assert not one.is_near(starts + 1800)


def test_what_is_said_at_the_command_line_is_of_this_machine_s_clock(berlin):
    now = utc("2026-11-21T09:30")  # 10:30
    assert parse_moment("now", now) == now
    assert parse_moment("10:31", now) == now + 60
    assert parse_moment("10:00", now) == utc("2026-11-22T09:00")
    assert parse_moment("2026-11-24T10:00", now) == utc("2026-11-24T09:00")
    assert parse_moment("2026-11-24T10:00+00:00", now) == utc("2026-11-24T10:00")
    for words in ("10", "tomorrow", "25:00", "2026-13-01T10:00"):
        with pytest.raises(BadClassTime):
            parse_moment(words, now)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"day": "t"}, "no day"),
        ({"day": "someday"}, "no day"),
        ({"time": 600}, "in quotes"),
        ({"time": "25:00"}, "in quotes"),
        ({"students": 0}, "at least 1"),
        ({"for": "long"}, "no"),
        ({"rooms": 5}, "unknown key 'rooms'"),
    ],
)
def test_a_wrong_weekly_class_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        read_weekly([TUESDAY | change])
    with pytest.raises(ValueError, match="at least day"):
        read_weekly([{"day": "tue"}])


@pytest.fixture
def classes(tmp_path):
    return Classes(Database.of(tmp_path), patience=0.0)


def add(classes, starts, *, students=40, env="intro", now=0.0):
    return classes.add(ClassTime(env, students, starts), now=now)


def test_classes_are_remembered_in_order_and_forgotten_when_they_are_over(classes, tmp_path):
    later, first = add(classes, 90_000.0), add(classes, 50_000.0)
    again = Classes(Database.of(tmp_path))
    assert again.coming(10_000.0) == [first, later]
    assert again.coming(60_000.0) == [later]
    assert again.cancel(later.id)
    assert not again.cancel(later.id)
    assert again.coming(60_000.0) == []


@pytest.mark.parametrize("one", [ClassTime("intro", 0, 50.0), ClassTime("intro", 5, -5000.0)])
def test_a_class_of_nobody_or_of_the_past_is_refused(classes, one):
    with pytest.raises(BadClassTime):
        classes.add(one, now=0.0)


def test_classes_at_one_time_add_up_and_only_near_ones_count(classes):
    now = time.time()
    add(classes, now + BEFORE - 60, now=now)
    add(classes, now - 60, students=10, now=now)
    add(classes, now + 60, env="other", students=3, now=now)
    add(classes, now + BEFORE + 600, env="later", now=now)
    assert classes.wanted() == {"intro": 50, "other": 3}


def test_a_clock_that_is_set_back_or_forward_moves_only_the_moment(classes, monkeypatch):
    now = time.time()
    add(classes, now + 60, now=now)
    for jump, wanted in ((-86400, {}), (0, {"intro": 40}), (86400, {}), (0, {"intro": 40})):
        monkeypatch.setattr(time, "time", lambda jump=jump: now + jump)
        assert classes.wanted() == wanted
