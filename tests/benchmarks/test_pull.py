"""The comparison itself: its cases tell good from bad, for both who pull."""

import pytest

from benchmarks.pull.__main__ import play
from benchmarks.pull.cases import CASES
from benchmarks.pull.scene import OURS, THEIRS, NotHeld, Puller, Scene
from tests.git_server import GitServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    (tmp_path / "git").mkdir()
    with GitServer(tmp_path / "git") as running:
        yield running


@pytest.mark.parametrize("title", list(CASES)[::6])
def test_ours_holds_these_of_the_cases(title, tmp_path, server):
    assert play(title, tmp_path / "case", server, OURS) is None


def test_the_other_holds_what_it_promises_and_not_what_it_does_not(tmp_path, server):
    held = play("an untouched file follows", tmp_path / "one", server, THEIRS)
    reason = play("a tag, clicked twice (#361)", tmp_path / "two", server, THEIRS)
    assert held is None
    assert "fails" in reason


def test_a_pull_that_does_nothing_holds_no_case(tmp_path, server):
    class Idle(Puller):
        def command(self, url, ref, folder):
            return ["true"]

    (tmp_path / "case").mkdir()
    with pytest.raises(NotHeld):
        CASES["an untouched file follows"](Scene.create(tmp_path / "case", server, Idle("idle")))
