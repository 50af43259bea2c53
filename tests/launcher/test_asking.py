"""Questions to git hosts: one that never answers keeps nobody else waiting."""

import threading
import time
from types import SimpleNamespace

import pytest

from envs.errors import GitHostDown
from envs.git import Git
from launcher.asking import Asking, Slow, answer_within
from launcher.content.mirror import Mirrors
from launcher.errors import SessionFailed
from tests.git_server import GitServer, Repo
from tests.hostile_host import HostileHost


def test_a_silent_host_does_not_keep_other_hosts_waiting(tmp_path):
    (tmp_path / "git").mkdir()
    with HostileHost() as silent, GitServer(tmp_path / "git") as good:
        Repo.create(good.root / "course", {"a": "1"})
        mirrors = Mirrors(tmp_path / "content", Git((silent.host, good.host), timeout=120.0))
        asking = Asking(per_host=2, threads=3)
        slow = [asking.submit(mirrors.refresh, silent.url(f"silent/{n}"), "") for n in range(20)]
        began = time.monotonic()
        found = asking.submit(mirrors.refresh, good.url("course"), "").result(timeout=60)
        assert found.ref == "main"
        assert time.monotonic() - began < 60
        assert len(silent.asked) <= 2
        with pytest.raises(GitHostDown, match="has not answered yet"):
            answer_within(slow[0], 0.1, silent.url("silent/0"))
        silent.ended.set()  # the others fail at once, and each question has its answer
        assert all(one.exception(timeout=60) for one in slow)
        assert not asking._running
        assert not asking._waiting
        assert not asking._known


def test_a_class_that_asks_the_same_takes_one_thread_and_later_ones_ask_anew():
    gate, asked = threading.Event(), []

    def ask(repo, ref):
        asked.append(ref)
        gate.wait(60)
        return len(asked)

    asking = Asking(per_host=1)
    answers = [asking.submit(ask, "https://h.org/r", "main") for _ in range(300)]
    other = asking.submit(ask, "https://h.org/r", "dev")
    gate.set()
    assert {one.result(timeout=60) for one in answers} == {1}
    assert other.result(timeout=60) == 2
    assert asking.submit(ask, "https://h.org/r", "main").result(timeout=60) == 3


def test_a_class_that_clicks_one_after_the_other_shares_the_second_question(monkeypatch):
    monkeypatch.setattr("launcher.asking.APART", 2.0)
    asked, newest = [], [0]
    pauses, all_clicked = [], threading.Event()

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 2:  # however long the clicks take on a busy machine
            assert all_clicked.wait(60)
        time.sleep(seconds)

    def ask(_repo, _ref):
        asked.append(time.monotonic())
        return newest[0]

    clock = SimpleNamespace(monotonic=time.monotonic, sleep=sleep)
    monkeypatch.setattr("launcher.asking.time", clock)
    asking = Asking()
    assert asking.submit(ask, "https://h.org/r", "").result(timeout=60) == 0
    answers = []
    for number in range(1, 20):
        newest[0] = number  # a push right before the click
        answers.append((number, asking.submit(ask, "https://h.org/r", "")))
    all_clicked.set()
    for number, answer in answers:
        assert answer.result(timeout=60) >= number, "never older than the click"
    assert len(asked) == 2
    assert asked[1] - asked[0] >= 1.9
    other = asking.submit(ask, "https://h.org/other", "").result(timeout=60)
    assert other == 19
    assert len(asking._began) == 2


def no_thread(*_):
    raise RuntimeError("can't start new thread")


def test_a_question_that_gets_no_thread_fails_and_the_next_one_is_asked(monkeypatch):
    asking, gate, asked = Asking(per_host=1, threads=2), threading.Event(), []

    def ask(_repo, ref):
        assert gate.wait(60)
        asked.append(ref)
        return ref

    def submit(ref, repo="https://h.org/r"):
        return asking.submit(ask, repo, ref)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(SessionFailed, match="too much to do"):
            submit("first").result(timeout=60)
        assert not asking._known
        assert not asking._running
    running, waiting = submit("running"), submit("waiting")
    with monkeypatch.context() as patched:
        patched.setattr(asking._pool, "submit", no_thread)
        gate.set()
        assert running.result(timeout=60) == "running"
        with pytest.raises(SessionFailed):
            waiting.result(timeout=60)
    answers = [submit("first"), submit("waiting"), submit("other", "https://other.org/r")]
    assert [one.result(timeout=60) for one in answers] == ["first", "waiting", "other"]
    assert sorted(asked) == ["first", "other", "running", "waiting"], "each once"


def test_few_questions_wait_for_a_host_where_that_is_limited():
    asking, gate, asked = Asking(per_host=1, waiting=2), threading.Event(), []

    def ask(_repo, ref):
        gate.wait(60)
        asked.append(ref)
        return ref

    answers = [asking.submit(ask, "https://h.org/r", ref) for ref in "abcdcb"]
    other = asking.submit(ask, "https://other.org/r", "e")
    with pytest.raises(Slow, match="Very much is asked of the git server"):
        answers[3].result(timeout=60)
    gate.set()
    assert [one.result(timeout=60) for one in (*answers[:3], *answers[4:], other)] == [*"abccbe"]
    assert sorted(asked) == [*"abce"]
    assert asking.submit(ask, "https://h.org/r", "d").result(timeout=60) == "d"


def test_what_is_remembered_of_questions_has_a_limit(monkeypatch):
    monkeypatch.setattr("launcher.asking.MOST", 3)
    asking = Asking()
    for number in range(10):
        asking.submit(lambda repo, ref: ref, "https://h.org/r", str(number)).result(timeout=60)
    assert len(asking._began) == 3
