"""A ticket lets one owner into one session, once, within a minute."""

from __future__ import annotations

import pytest

from launcher.gateway.tickets import LIFE, Tickets

MINE, OTHER = "ab" * 12, "cd" * 12


@pytest.fixture
def now():
    return [1000.0]


@pytest.fixture
def tickets(now):
    return Tickets(clock=lambda: now[0])


def test_a_ticket_counts_once(tickets):
    number = tickets.give(MINE, "anna")
    assert tickets.take(number, MINE, "anna")
    assert not tickets.take(number, MINE, "anna")


def test_each_tab_gets_its_own(tickets):
    first, second = tickets.give(MINE, "anna"), tickets.give(MINE, "anna")
    assert first != second
    assert tickets.take(second, MINE, "anna")
    assert tickets.take(first, MINE, "anna")


@pytest.mark.parametrize("forged", ["", "x", "é", "a" * 43])
def test_a_forged_one_is_none(tickets, forged):
    tickets.give(MINE, "anna")
    assert not tickets.take(forged, MINE, "anna")


@pytest.mark.parametrize(
    ("session", "owner"), [(OTHER, "anna"), (MINE, "berta")], ids=["session", "owner"]
)
def test_one_of_another_session_or_owner_is_none_and_is_used_up(tickets, session, owner):
    number = tickets.give(MINE, "anna")
    assert not tickets.take(number, session, owner)
    assert not tickets.take(number, MINE, "anna")


def test_an_old_one_is_none(tickets, now):
    number, later = tickets.give(MINE, "anna"), tickets.give(MINE, "anna")
    now[0] += LIFE - 0.1
    assert tickets.take(number, MINE, "anna")
    now[0] += 0.1
    assert not tickets.take(later, MINE, "anna")


def test_old_ones_are_forgotten(tickets, now):
    for _ in range(100):
        tickets.give(MINE, "anna")
    now[0] += LIFE
    tickets.give(MINE, "anna")
    assert len(tickets._given) == 1


def test_a_ticket_of_before_a_restart_is_none(tickets):
    assert not Tickets().take(tickets.give(MINE, "anna"), MINE, "anna")
