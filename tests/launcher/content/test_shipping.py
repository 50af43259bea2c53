"""What a session answers is read with limits: the student may have put anything in its place."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import pytest

from launcher.content.delivered import find_delivered
from launcher.content.receipt import LONGEST
from launcher.content.shipping import LONGEST_LOG, ask_session
from launcher.errors import ContentFailed
from launcher.runtimes.base import Completed
from tests.fakes import FakeRuntime

HUGE = "x" * 100_000


@dataclass
class Saying(FakeRuntime):
    """A session in which every command says the same."""

    out: bytes = b""

    def run(self, session_id, command, *, stdin=None, timeout=60.0):
        return Completed(0, self.out, b"")


def ask(answer, **request):
    out = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return ask_session(Saying(out=out), "s1", {"folder": "course", **request}, [])


def test_a_receipt_of_more_than_a_megabyte_is_none():
    large = {"receipt": {"new": [HUGE] * 11}}
    with pytest.raises(ContentFailed, match="said more than"):
        ask(large)
    assert ask(large, action="preview") == large, "a look at files may be longer"
    with pytest.raises(ContentFailed, match="said more than"):
        ask({"preview": HUGE * 200}, action="preview")


@pytest.mark.parametrize("said", [b"[" * 200_000, b"", b"7", b'{"a": ' * 100_000, b"\xff{}"])
def test_what_is_no_answer_is_said_in_a_sentence(said):
    with pytest.raises(ContentFailed, match="could not be brought"):
        ask(said)


def test_trouble_is_told_in_a_sentence_and_logged_in_a_few_lines(caplog):
    with caplog.at_level(logging.ERROR):
        found = ask({"error": HUGE, "hint": ["x"], "log": HUGE})
    assert (len(found["error"]), found["hint"]) == (LONGEST, "")
    assert len(caplog.text) < LONGEST_LOG + 500


def test_twenty_receipts_of_a_liar_are_little_to_read(student, teacher, monkeypatch):
    student.pull()
    receipt = {name: [HUGE[:400]] * 300 for name in ("new", "updated", "merged", "notes")}
    receipt["kept"] = [[HUGE[:300], HUGE[:300]]] * 300
    out = json.dumps({"receipt": receipt}).encode()
    assert 500_000 < len(out) < 1_000_000
    monkeypatch.setattr(student.runtime, "run", lambda *_, **__: Completed(0, out, b""))
    for _ in range(25):
        student.pull()
    kept = find_delivered(student.spec, "course").receipts
    assert len(json.dumps(kept)) / len(kept) < 250_000
    assert max(len(one["sentence"]) for one in kept) < 25_000


@pytest.mark.parametrize("odd", [None, [], "text", 3])
def test_a_receipt_that_is_none_is_trouble_that_is_told(student, teacher, monkeypatch, odd):
    student.pull()
    out = json.dumps({"receipt": odd}).encode()
    monkeypatch.setattr(student.runtime, "run", lambda *_, **__: Completed(0, out, b""))
    with pytest.raises(ContentFailed, match="not all there"):
        student.pull()


class Slow(FakeRuntime):
    """A session in which a cell takes every second."""

    def run(self, session_id, command, *, stdin=None, timeout=60.0):
        raise TimeoutError


@pytest.mark.parametrize(
    ("action", "way"),
    [
        ("snapshots", "Try again when no cell runs; your files are as they were."),
        ("preview", "Try again when no cell runs; your files are as they were."),
        ("restore", "Stop it under My sessions, then open the link again."),
        ("pull", "Stop it under My sessions, then open the link again."),
    ],
)
def test_a_look_that_takes_too_long_costs_nobody_a_kernel(action, way):
    with pytest.raises(ContentFailed, match="took too long") as caught:
        ask_session(Slow(), "s1", {"folder": "course", "action": action}, [])
    assert caught.value.hint == way
