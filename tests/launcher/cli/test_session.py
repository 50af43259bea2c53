"""Stopping sessions at the terminal."""

from __future__ import annotations

import argparse
import threading
from types import SimpleNamespace

import pytest

from launcher.cli.session import list_, stop
from launcher.config import load_config
from launcher.database import Database
from launcher.errors import SessionGone
from launcher.people.audit import Audit
from launcher.people.identity import code_of
from launcher.session import Limits, SessionSpec
from launcher.sessions.history import History
from tests.fakes import FakeRuntime


class Slow(FakeRuntime):
    """Ends a session only while another one ends, too."""

    def __init__(self):
        super().__init__()
        self.two = threading.Barrier(2)

    def stop(self, session_id):
        self.two.wait(120)
        super().stop(session_id)


@pytest.fixture
def context(tmp_path):
    config = load_config(data=str(tmp_path), listen="127.0.0.1:0")
    database, runtime = Database.of(tmp_path), Slow()
    history = History(database)
    for number in range(4):
        spec = SessionSpec(
            f"{number}" * 24, f"s{number}", "c", "i", "", "t", tmp_path / "home", Limits(1, 1, 1)
        )
        runtime.start(spec)
        history.started(spec)
    parts = SimpleNamespace(
        config=config, secret=b"x" * 32, runtime=runtime, history=history, database=database
    )
    return SimpleNamespace(parts=parts, show=lambda value, text: value)


def test_a_class_is_stopped_several_at_a_time_and_each_is_remembered(context):
    assert stop(argparse.Namespace(id="all"), context) == 0
    assert context.parts.runtime.list() == []
    ended = [one.why for one in context.parts.history.all()]
    assert ended == ["the administrator stopped it"] * 4
    deeds = Audit(context.parts.database).last()
    assert [(one.what, one.detail) for one in deeds] == [("session stopped", "")] * 4


def test_an_id_that_is_none_stops_nothing(context):
    with pytest.raises(SessionGone, match="no session"):
        stop(argparse.Namespace(id="ff"), context)
    assert len(context.parts.runtime.list()) == 4


def test_a_student_who_says_a_code_is_found(context, capsys):
    context.show = lambda rows, text: print(rows[2]["code"], text, sep="\n")
    assert list_(argparse.Namespace(), context) == 0
    code, *lines = capsys.readouterr().out.splitlines()
    assert code == code_of(context.parts.secret, "s2")
    assert [line.split()[0] for line in lines if code in line] == ["2" * 24]
