"""What holds a thread for long is one at a time of each student, and a few in all."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from launcher.errors import TooBusy
from launcher.web.concurrency import ConcurrencyLimit
from tests.waiting import wait_for


def test_each_student_has_one_at_a_time():
    limit = ConcurrencyLimit()
    with limit.held_by("s1"), limit.held_by("s2"):
        with pytest.raises(TooBusy, match="still under way"):
            limit.take("s1")
        with pytest.raises(TooBusy, match="still under way"), limit.held_by("s1"):
            pass
        with pytest.raises(TooBusy):  # the refused one gave nothing back
            limit.take("s1")
    limit.take("s1")


def test_all_of_them_have_a_few():
    limit = ConcurrencyLimit(most=2)
    with limit.held_by("s1"), limit.held_by("s2"), pytest.raises(TooBusy, match="Many others"):
        limit.take("s3")
    limit.take("s3")


def test_what_fails_gives_its_place_back():
    limit = ConcurrencyLimit(most=1)
    with pytest.raises(ValueError, match="x"), limit.held_by("s1"):
        raise ValueError("x")
    limit.take("s2")


def take_and_give_back(limit, student):
    with limit.held_by(student):
        time.sleep(0.02)


def test_a_class_that_asks_at_once_waits_for_its_places():
    limit = ConcurrencyLimit(most=4, patience=60, waiting=36)
    with ThreadPoolExecutor(40) as pool:
        every = [pool.submit(take_and_give_back, limit, f"s{number}") for number in range(40)]
        assert [one.result() for one in every] == [None] * 40
    assert not limit._holders
    assert not limit._waiters


def test_a_second_click_waits_and_a_fourth_does_not():
    limit = ConcurrencyLimit(patience=60)
    with ThreadPoolExecutor(2) as pool:
        with limit.held_by("s1"):
            waiting = [pool.submit(take_and_give_back, limit, "s1") for _ in range(2)]
            wait_for(lambda: limit._waiters == ["s1", "s1"])
            with pytest.raises(TooBusy, match="still under way"):
                limit.take("s1")
        assert [one.result() for one in waiting] == [None] * 2


def test_nobody_waits_longer_than_they_may_or_where_many_do():
    limit = ConcurrencyLimit(most=1, patience=0.05, waiting=1)
    with limit.held_by("s1"), pytest.raises(TooBusy, match="Many others"):
        limit.take("s2")
    limit.patience = 60
    with ThreadPoolExecutor(1) as pool:
        with limit.held_by("s1"):
            waiting = pool.submit(take_and_give_back, limit, "s2")
            wait_for(lambda: limit._waiters == ["s2"])
            with pytest.raises(TooBusy, match="Many others"):
                limit.take("s3")
        waiting.result()
