"""Places for builds: so many at a time, first come first served, over all processes."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from envs.errors import BuildCancelled
from envs.halt import NO_HALT, Halt
from envs.slots import Slots
from tests.waiting import wait_for


@pytest.fixture
def slots(tmp_path):
    return Slots(tmp_path / "slots", 1, poll=0.01)


def ignore(line):
    pass


def test_who_waits_is_told_how_many_are_before_and_they_go_in_order(slots):
    order, said, threads = [], [[], [], []], []
    free = threading.Event()

    def build(number):
        with slots.one(said[number].append, NO_HALT):
            order.append(number)
            free.wait(60)

    with slots.one(ignore, NO_HALT):
        for number in range(3):
            threads.append(threading.Thread(target=build, args=(number,)))
            threads[-1].start()
            wait_for(lambda number=number: said[number])
        assert [lines[0] for lines in said] == [
            "Waiting for a build place, you are next",
            "Waiting for a build place, 1 before you",
            "Waiting for a build place, 2 before you",
        ]
    wait_for(lambda: order == [0])
    wait_for(lambda: "Waiting for a build place, you are next" in said[1])
    free.set()
    for thread in threads:
        thread.join(60)
    assert order == [0, 1, 2]
    assert not list((slots.folder / "row").iterdir())


def test_so_many_at_a_time_and_no_more(tmp_path):
    slots = Slots(tmp_path / "slots", 2, poll=0.01)
    running, most, guard = 0, 0, threading.Lock()

    def build():
        nonlocal running, most
        with slots.one(ignore, NO_HALT):
            with guard:
                running += 1
                most = max(most, running)
            time.sleep(0.05)
            with guard:
                running -= 1

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == 2


def hold(folder, begun):
    with Slots(folder, 1, poll=0.01).one(ignore, NO_HALT):
        begun.set()
        time.sleep(60)


def test_a_process_that_is_killed_gives_back_its_place_and_its_ticket(slots):
    context = multiprocessing.get_context("spawn")
    begun = context.Event()
    processes = [context.Process(target=hold, args=(slots.folder, begun)) for _ in range(2)]
    for process in processes:
        process.start()
    assert begun.wait(60)
    wait_for(lambda: len(list((slots.folder / "row").iterdir())) == 1)
    for process in processes:
        process.kill()
        process.join(60)
    said = []
    with slots.one(said.append, NO_HALT):
        assert said in ([], ["Waiting for a build place, you are next", "It is your turn"])


def test_who_is_cancelled_leaves_the_row(slots):
    wishes = []
    with slots.one(ignore, NO_HALT):
        with pytest.raises(BuildCancelled), slots.one(wishes.append, Halt(lambda: bool(wishes))):
            pytest.fail("there was no place")
        assert not list((slots.folder / "row").iterdir())
