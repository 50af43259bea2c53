import threading

import pytest

from launcher.room.turnstile import Turnstile
from tests.waiting import wait_for


def enter(turnstile, name, order, leave, waits=lambda before: None):
    """A launch in a thread of its own, that stays inside until `leave`."""

    def run():
        with turnstile.turn(waits):
            order.append(name)
            assert leave.wait(30)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_few_at_a_time_in_the_order_in_which_they_came():
    turnstile, order = Turnstile(places=2, longest=1000), []
    leaves = [threading.Event() for _ in range(6)]
    threads, told = [], {}
    for name, leave in enumerate(leaves):
        threads.append(
            enter(turnstile, name, order, leave, lambda before, me=name: told.update({me: before}))
        )
        entered, wait = min(name + 1, 2), max(name - 1, 0)
        wait_for(lambda now=(entered, wait): (len(order), len(told)) == now)
    assert order == [0, 1]
    assert told == {2: 0, 3: 1, 4: 2, 5: 3}
    for done, leave in enumerate(leaves):
        assert len(order) <= done + 2
        leave.set()
        wait_for(lambda n=done: len(order) >= min(6, n + 3))
    for thread in threads:
        thread.join(30)
    assert order == [0, 1, 2, 3, 4, 5]
    assert not turnstile._inside
    assert not turnstile._waiting


def test_one_that_hangs_holds_the_others_up_for_a_while_only():
    turnstile, order, never, at_once = Turnstile(1, longest=0.05), [], threading.Event(), []
    hanging = enter(turnstile, "hangs", order, never)
    wait_for(lambda: order)
    with turnstile.turn():
        at_once.append("in")
    assert at_once
    assert hanging.is_alive()
    never.set()
    hanging.join(30)


def test_an_error_inside_or_while_waiting_frees_the_place():
    turnstile = Turnstile(1, longest=1000)
    with pytest.raises(ValueError, match="inside"), turnstile.turn():
        raise ValueError("inside")
    leave, order = threading.Event(), []
    first = enter(turnstile, "first", order, leave)
    wait_for(lambda: order)

    def waits(before):
        raise ValueError("the page is gone")

    with pytest.raises(ValueError, match="gone"), turnstile.turn(waits):
        pytest.fail("it must not enter")
    leave.set()
    first.join(30)
    with turnstile.turn():
        pass
