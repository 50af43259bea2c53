"""A class whose sessions are not ready: a few start at a time, and hold up nobody else."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from launcher.asking import Asking
from launcher.config import load_config
from launcher.content.delivery import Delivery
from launcher.content.mirror import Mirrors
from launcher.errors import SessionFailed
from launcher.launch import Launcher
from launcher.room.turnstile import Turnstile
from launcher.sessions.sessions import Sessions
from link_generator.link import Link
from tests.fakes import FakeRuntime, fake_sessions
from tests.launcher.test_launch import FakeEnvironments
from tests.waiting import wait_for


class School:
    """Students who click; the servers of those in `silent` do not answer before they may."""

    def __init__(self, folder, monkeypatch, pool, *, places, longest):
        self.runtime, self.pool, self.said = FakeRuntime(), pool, {}
        self.silent = {f"s{number}": threading.Event() for number in range(6)}
        mirrors = Mirrors(folder / "content", None)
        self.launcher = Launcher(
            config=load_config(),
            environments=FakeEnvironments(),
            mirrors=mirrors,
            delivery=Delivery(mirrors, self.runtime),
            sessions=fake_sessions(folder, runtime=self.runtime),
            asking=Asking(),
            turnstile=Turnstile(1, 1000.0),
            starts=Turnstile(places, longest),
        )
        monkeypatch.setattr(Sessions, "open", self.open)

    def open(self, spec, session=None):
        if spec.owner in self.silent:
            assert self.silent[spec.owner].wait(60)
        if spec.owner == "s1":
            raise SessionFailed("It did not answer.")
        return session

    def click(self, student):
        self.said[student] = []
        tell = self.said[student].append
        return self.pool.submit(self.launcher.launch, Link(env="e"), student, tell)

    @property
    def started(self):
        return sorted(one.owner for one in self.runtime.rows.values())


@pytest.fixture
def pool():
    with ThreadPoolExecutor(20) as pool:
        yield pool


def test_a_few_start_at_a_time_in_their_order_and_who_has_a_session_does_not_wait(
    tmp_path, monkeypatch, pool
):
    school = School(tmp_path, monkeypatch, pool, places=2, longest=1000.0)
    has_one = school.click("ready").result(60)
    clicks, waiting = [], school.launcher.starts._waiting
    for number in range(5):
        clicks.append(school.click(f"s{number}"))
        wait_for(lambda n=number: len(school.started) + len(waiting) == n + 2)
    assert school.started == ["ready", "s0", "s1"]
    before = "2 who clicked before you are let in first"
    wait_for(lambda: before in [one.message for one in school.said["s4"]])
    assert school.click("ready").result(60).session.id == has_one.session.id
    school.silent["s1"].set()  # its launch fails, and its place is the next one's
    with pytest.raises(SessionFailed):
        clicks[1].result(60)
    wait_for(lambda: "s2" in school.started)
    assert "s3" not in school.started
    for event in school.silent.values():
        event.set()
    assert [clicks[n].result(60).session.owner for n in (0, 2, 3, 4)] == ["s0", "s2", "s3", "s4"]
    assert not school.launcher.starts._inside
    assert not school.launcher.turnstile._inside


def test_servers_that_never_answer_hold_the_others_up_for_a_while_only(tmp_path, monkeypatch, pool):
    school = School(tmp_path, monkeypatch, pool, places=1, longest=0.1)
    hanging = [school.click(f"s{number}") for number in (0, 2)]
    wait_for(lambda: school.started == ["s0", "s2"])
    assert school.click("s9").result(60).session.owner == "s9"
    for event in school.silent.values():
        event.set()
    assert all(one.result(60) for one in hanging)
