"""Threads go on whatever happens; their trouble is told when it begins and when it is over."""

from __future__ import annotations

import logging

import pytest

from launcher.errors import NoRuntime, SessionFailed
from launcher.rounds import Rounds
from tests.logged import said_by


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [
        (one.levelname, one.getMessage(), bool(one.exc_info))
        for one in said_by(caplog, "launcher.rounds")
    ]


def failing(error):
    def work():
        raise error

    return work


def test_the_same_trouble_is_told_once_and_its_end_once(lines):
    rounds = Rounds("looking")
    for _ in range(3):
        rounds.run(failing(SessionFailed("no room")))
    for _ in range(3):
        rounds.run(lambda: None)
    assert lines() == [
        ("WARNING", "looking failed: SessionFailed: no room", False),
        ("INFO", "looking: it works again", False),
    ]


def test_a_surprise_has_its_traceback_once(lines):
    rounds = Rounds("looking")
    for _ in range(3):
        rounds.run(failing(KeyError("a")))
    rounds.run(failing(KeyError("b")))
    assert lines() == [
        ("ERROR", "looking failed: KeyError: 'a'", True),
        ("ERROR", "looking failed: KeyError: 'b'", True),
    ]


def test_an_object_in_the_words_of_an_error_makes_no_news(lines):
    rounds = Rounds("looking")
    kept = [object(), object()]
    for one in kept:
        rounds.run(failing(OSError(f"{one} is closed")))
    assert len(lines()) == 1


def test_an_engine_that_is_gone_is_told_by_its_client_alone(lines):
    rounds = Rounds("looking")
    rounds.run(failing(NoRuntime("gone")))
    rounds.run(lambda: None)
    assert lines() == []
