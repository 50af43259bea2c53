"""Warm sessions are kept ready, as many as are asked for, and each goes to one student."""

import threading
import time
from dataclasses import replace

from tests.launcher.warm.fake_warm import I1, I2, take, until


def test_as_many_as_are_asked_for_become_ready_and_are_filled_up_again(pool, tmp_path):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    spec, session = take(pool, tmp_path)
    assert (session.owner, session.answered) == ("s1", True)
    assert spec.home.is_dir()
    until(lambda: pool.counts() == {I1: 3})


def test_an_image_without_any_has_none_to_give(pool, tmp_path):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    assert pool.has_ready(I1.image)
    assert not pool.has_ready(I2.image)
    assert take(pool, tmp_path, kind=I2) is None


def test_clicks_of_the_last_minutes_are_demand(pool, tmp_path):
    pool.start()
    assert take(pool, tmp_path, kind=I2) is None
    until(lambda: pool.counts().get(I2) == 1)


def test_one_session_goes_to_one_student_whoever_asks_at_once(pool, tmp_path):
    pool.asked[I1] = 5
    pool.start()
    until(lambda: pool.counts() == {I1: 5})
    got, barrier = [], threading.Barrier(8)

    def click(number):
        barrier.wait()
        if taken := take(pool, tmp_path, student=f"s{number}"):
            got.append(taken[0].id)

    threads = [threading.Thread(target=click, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == len(set(got)) >= 5


def test_one_that_another_process_was_faster_with_is_neither_given_out_nor_stopped(
    pool, warm, runtime, tmp_path
):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    first = next(iter(pool._ready[I1])).id
    warm.others = (first,)
    assert take(pool, tmp_path) is None
    time.sleep(0.05)
    assert first in runtime.rows
    assert take(pool, tmp_path)[0].id != first


def test_one_whose_slot_cannot_be_attached_is_thrown_away_never_given_out(
    pool, warm, runtime, tmp_path
):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    first = next(iter(pool._ready[I1])).id
    warm.attaches = False
    assert take(pool, tmp_path) is None
    until(lambda: first not in runtime.rows)


def test_never_more_than_fit_and_never_more_than_two_start_at_once(pool, warm):
    warm.pause, warm.first_two = 0.05, threading.Barrier(2)
    pool.queue.capacity.plan = replace(pool.queue.capacity.plan, sessions=3)
    assert pool.queue.capacity.hold("a" * 24, "s9", "c9", "i1") is None
    pool.asked[I1] = 8
    pool.start()
    until(lambda: pool.counts() == {I1: 2})
    time.sleep(0.2)
    assert pool.counts() == {I1: 2}
    assert pool.queue.capacity.hold("b" * 24, "s8", "c9", "i1"), "the machine is full"
    pool.asked[I1] = 1

    def has_room():  # a round that began with the old wish takes it once more
        pool.give_back(1)
        return pool.queue.capacity.hold("b" * 24, "s8", "c9", "i1") is None

    until(has_room)
    pool.asked[I1] = 8
    pool.queue.capacity.plan = replace(pool.queue.capacity.plan, sessions=0)
    until(lambda: pool.counts() == {I1: 8})
    assert warm.most_at_once == 2


def test_surplus_goes_one_by_one(pool, monkeypatch):
    monkeypatch.setattr("launcher.warm.pool.SURPLUS", 0.2)
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    take, taken = pool._take, []
    monkeypatch.setattr(pool, "_take", lambda going: taken.append(take(going)) or taken[-1])
    began = time.monotonic()
    pool.asked[I1] = 1
    until(lambda: pool.counts() == {I1: 1})
    assert time.monotonic() - began > 0.2, "the second one has its time"
    assert [len(going) for going in taken if going] == [1, 1]


def test_memory_is_given_back_when_somebody_needs_it(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    pool.asked[I1] = 0
    stop, may_end = runtime.stop, threading.Event()
    runtime.stop = lambda session_id: may_end.wait(60) and stop(session_id)
    assert pool.give_back(2) == 2
    assert list(pool.counts().values()) == [1]
    assert len(pool.queue.capacity.held()) == 3, "they still have their memory"
    may_end.set()
    until(lambda: len(runtime.rows) == 1 == len(pool.queue.capacity.held()))


def test_who_waits_is_given_the_room_that_is_lacking_and_no_more(pool, runtime):
    pool.start()
    until(lambda: pool.counts() == {I1: 3})
    stop, may_end = runtime.stop, threading.Event()
    runtime.stop = lambda session_id: may_end.wait(60) and stop(session_id)
    look, looks, one_at_a_time = pool.round, [], threading.Lock()

    def by_turns():  # the pool's own thread goes on
        with one_at_a_time:
            looks.append(look())

    pool.round = by_turns
    until(lambda: looks)
    pool.queue.lacking = lambda: 1
    for _ in range(3):
        pool.round()
    assert list(pool.counts().values()) == [2]
    may_end.set()
