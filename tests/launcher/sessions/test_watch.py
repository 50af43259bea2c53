"""Students are told before a limit ends what they do; what goes on over it is stopped."""

from __future__ import annotations

import time

import pytest

from launcher.session import Limits
from launcher.sessions.notices import DISK, MEMORY, Notices
from launcher.sessions.watch import Watch
from tests.fakes import fake_sessions

MB = 1024**2


@pytest.fixture
def watch(tmp_path):
    sessions = fake_sessions(tmp_path, limits=Limits(512 * MB, 1, 1, disk=10 * MB))
    return Watch(sessions, Notices(), began=-1.0)


@pytest.fixture
def spec(watch):
    spec, _ = watch.sessions.ensure("student", "course-1", "image", "link", lambda _: None)
    return spec


def fill(spec, size, name="data"):
    (spec.home / name).write_bytes(b"x" * size)


def said(watch, spec):
    return {one.kind: one for one in watch.notices.of(spec.id)}


def test_a_folder_with_room_is_no_news(watch, spec):
    fill(spec, 7 * MB)
    watch.round(now=True)
    assert said(watch, spec) == {}


def test_logs_are_bounded_at_every_look(watch, monkeypatch):
    looks = []
    monkeypatch.setattr(watch.sessions.runtime, "cut_logs", lambda: looks.append(1))
    for _ in range(3):
        watch.round()
    assert len(looks) == 3


def test_at_80_percent_and_when_full_the_student_is_told(watch, spec):
    fill(spec, 8 * MB)
    watch.round(now=True)
    nearly = said(watch, spec)[DISK]
    assert "80 % full" in nearly.text
    assert nearly.href == f"/sessions/{spec.id}/disk"
    fill(spec, 2 * MB, "more")
    watch.round(now=True)
    full = said(watch, spec)[DISK]
    assert "is full: 10 MB of 10 MB" in full.text
    assert full.mark != nearly.mark, "who closed the first one sees this one"
    (spec.home / "data").unlink()
    watch.round(now=True)
    assert said(watch, spec) == {}


def test_a_session_that_goes_on_filling_is_stopped_and_its_files_stay(watch, spec):
    fill(spec, 5 * MB)
    watch.round(now=True)
    fill(spec, 12 * MB, "flood")
    watch.round(now=True)
    assert watch.sessions.runtime.find(spec.id) is None
    assert "10 MB" in watch.sessions.history.find(spec.id).why
    assert (spec.home / "flood").stat().st_size == 12 * MB


def test_a_session_may_open_a_full_folder_and_make_room(watch, spec):
    fill(spec, 15 * MB)
    watch.round(now=True)
    watch.round(now=True)
    assert watch.sessions.runtime.find(spec.id)
    assert "is full" in said(watch, spec)[DISK].text
    fill(spec, 3 * MB, "and more")
    watch.round(now=True)
    assert watch.sessions.runtime.find(spec.id) is None


def test_what_is_written_outside_of_the_home_has_the_limit_too(watch, spec):
    watch.sessions.runtime.written = lambda: {spec.id: 11 * MB}
    watch.round(now=True)
    assert "outside" in watch.sessions.history.find(spec.id).why


def test_a_launch_that_has_the_turn_is_not_stopped_under_its_hands(watch, spec):
    watch.sessions.runtime.written = lambda: {spec.id: 11 * MB}
    with watch.sessions.turns.wait_for("student", "course-1"):
        watch.round(now=True)
        assert watch.sessions.runtime.find(spec.id)
    watch.round(now=True)
    assert watch.sessions.runtime.find(spec.id) is None


def test_a_death_for_want_of_memory_is_told_at_once_and_each_time(watch, spec):
    runtime = watch.sessions.runtime
    runtime.kills = lambda: {spec.id: 0}
    watch.round()
    assert said(watch, spec) == {}
    runtime.kills = lambda: {spec.id: 1}
    watch.round()
    first = said(watch, spec)[MEMORY]
    assert "512 MB of memory" in first.text
    watch.notices.clear(spec.id, MEMORY)
    watch.round()
    assert said(watch, spec) == {}, "one death is told once"
    runtime.kills = lambda: {spec.id: 2}
    watch.round()
    assert MEMORY in said(watch, spec)


def test_a_death_before_the_launcher_s_restart_is_old(watch, spec):
    watch.began = time.time()
    watch.sessions.runtime.kills = lambda: {spec.id: 3}
    watch.round()
    assert said(watch, spec) == {}


def test_a_disk_that_fills_quickly_is_looked_at_out_of_turn(watch, spec):
    watch.every, watch.free = 3600, lambda: 1000 * MB
    watch.round(now=True)
    fill(spec, 30 * MB)
    watch.round()
    assert watch.sessions.runtime.find(spec.id), "its turn has not come"
    watch.free = lambda: 800 * MB
    watch.round()
    assert watch.sessions.runtime.find(spec.id) is None


def test_notices_of_sessions_that_are_gone_are_forgotten(watch, spec):
    fill(spec, 9 * MB)
    watch.round(now=True)
    watch.sessions.stop(spec.id, why="test")
    watch.round(now=True)
    assert said(watch, spec) == {}
