"""One launch at a time for a student and course."""

import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from launcher.errors import SessionFailed
from launcher.sessions.turns import Turns


@pytest.fixture
def restless():
    """Threads are switched all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_turn_is_one_s_alone_and_nothing_is_kept_of_it(restless):
    turns = Turns()
    inside, most, barrier = Counter(), Counter(), threading.Barrier(8)

    def work(key):
        inside[key] += 1
        most[key] = max(most[key], inside[key])
        time.sleep(0)
        inside[key] -= 1

    def launch_and_reap(number):
        barrier.wait()
        for turn in range(300):
            key = ("s1", f"c{(number + turn) % 2}")
            if number < 6:
                with turns.wait_for(*key):
                    work(key)
            else:
                with turns.if_free(*key) as mine:
                    if mine:
                        work(key)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(launch_and_reap, number) for number in range(8)]:
            done.result()
    assert set(most.values()) == {1}
    assert turns._taken == set()


def test_a_launch_that_breaks_gives_its_turn_back():
    turns = Turns()
    with pytest.raises(SessionFailed), turns.wait_for("s1", "c1"):
        raise SessionFailed("no")
    with turns.if_free("s1", "c1") as mine, turns.if_free("s1", "c1") as again:
        assert mine
        assert not again
