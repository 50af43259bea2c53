"""The limits of what sessions store hold whatever a student does, and stop nobody for others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest

from launcher.errors import NoRuntime
from launcher.homes import disk
from launcher.homes.disk import CHANGING, DEEP, SLOW, UNREAD, Look
from launcher.session import Limits
from launcher.sessions import disk_limits
from launcher.sessions.disk_limits import (
    UNCOUNTED,
    UNKNOWN_STOPPED,
    UNKNOWN_TOLD,
    DiskLimits,
    Known,
)
from launcher.sessions.notices import DISK, Notices
from tests.fakes import fake_sessions
from tests.waiting import wait_for

MB = 1024**2


@pytest.fixture
def limits(tmp_path, monkeypatch):
    monkeypatch.setattr(disk_limits.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    some = Limits(512 * MB, 1, 1, disk=10 * MB, files=100)
    return DiskLimits(fake_sessions(tmp_path, limits=some), Notices())


@pytest.fixture
def start(limits):
    def start(student="s1"):
        return limits.sessions.ensure(student, "course-1", "image", "link", lambda _: None)[0]

    return start


@pytest.fixture
def seen(limits, monkeypatch):
    """What a look at each student's home finds; the real look for those who are not there."""
    looks, real, asked = {}, limits.sessions.look_at_disk, []

    def look_at_disk(session):
        asked.append(session.owner)
        return looks.get(session.owner) or real(session)

    monkeypatch.setattr(limits.sessions, "look_at_disk", look_at_disk)
    looks["asked"] = asked
    return looks


def look(limits, times=1, *, every=True):
    for _ in range(times):
        time.sleep(max(0.0, limits._next_layers - time.monotonic()))
        running = {one.id: one for one in limits.sessions.runtime.list()}
        limits.round(running, every=every)


def runs(limits, spec):
    return limits.sessions.runtime.find(spec.id) is not None


def why(limits, spec):
    return limits.sessions.history.find(spec.id).why


def said(limits, spec):
    return " ".join(one.text for one in limits.notices.of(spec.id) if one.kind == DISK)


@pytest.mark.parametrize("trouble", [CHANGING, DEEP, SLOW])
def test_who_cannot_be_measured_is_told_and_then_stopped(limits, start, seen, trouble):
    spec, other = start("s1"), start("s2")
    seen["s1"] = Look(MB, 5, trouble)
    look(limits, UNKNOWN_TOLD - 1)
    assert said(limits, spec) == ""
    look(limits)
    assert "cannot be measured" in said(limits, spec)
    look(limits, UNKNOWN_STOPPED - UNKNOWN_TOLD - 1)
    assert runs(limits, spec)
    look(limits)
    assert not runs(limits, spec)
    assert "could not be measured" in why(limits, spec)
    assert runs(limits, other)


def test_one_look_to_the_end_forgives_those_before(limits, start, seen):
    spec = start("s1")
    for _ in range(3):
        seen["s1"] = Look(MB, 5, CHANGING)
        look(limits, UNKNOWN_STOPPED - 1)
        del seen["s1"]
        look(limits)
        assert said(limits, spec) == ""
    assert runs(limits, spec)


def test_a_machine_under_load_stops_nobody(limits, start, seen, monkeypatch):
    monkeypatch.setattr(disk_limits.os, "getloadavg", lambda: (1e3, 0.0, 0.0))
    specs = [start("s1"), start("s2")]
    seen["s1"] = seen["s2"] = Look(MB, 5, SLOW)
    look(limits, 2 * UNKNOWN_STOPPED)
    assert all(runs(limits, one) for one in specs)


def test_who_is_slow_while_others_are_not_is_no_victim_of_load(limits, start, seen, monkeypatch):
    monkeypatch.setattr(disk_limits.os, "getloadavg", lambda: (1e3, 0.0, 0.0))
    spec, _other = start("s1"), start("s2")
    seen["s1"] = Look(MB, 5, SLOW)
    look(limits, UNKNOWN_STOPPED)
    assert not runs(limits, spec)


def test_a_disk_that_cannot_be_read_stops_nobody(limits, start, seen):
    spec, _other = start("s1"), start("s2")
    seen["s1"] = Look(0, 0, UNREAD)
    look(limits, 2 * UNKNOWN_STOPPED)
    assert runs(limits, spec)
    assert said(limits, spec) == ""


def test_what_was_seen_in_a_part_is_enough_to_stop(limits, start, seen):
    spec = start("s1")
    look(limits)
    seen["s1"] = Look(12 * MB, 5, SLOW)
    look(limits)
    assert "grew over" in why(limits, spec)


def make_files(spec, count, name="f"):
    for number in range(count):
        (spec.home / f"{name}{number}").touch()


def test_files_are_limited_too_however_small(limits, start):
    spec = start()
    make_files(spec, 85)
    look(limits)
    assert "many files: 85 files and folders of 100" in said(limits, spec)
    make_files(spec, 105)
    look(limits)
    assert "too many files: 105" in said(limits, spec)
    make_files(spec, 115)
    look(limits)
    assert "more than 100 files" in why(limits, spec)
    assert len(list(spec.home.iterdir())) == 115


def test_who_comes_with_too_many_files_may_remove_some(limits, start):
    spec = start()
    make_files(spec, 300)
    look(limits, 3)
    assert runs(limits, spec)
    make_files(spec, 20, "more")
    look(limits)
    assert not runs(limits, spec)


HOLDING = """
import os, sys
file = open("held", "wb"); os.unlink("held")
file.write(b"x" * 12 * 1024**2); file.flush()
print(flush=True); sys.stdin.read()
"""


def test_a_deleted_file_counts_until_nobody_has_it_open(limits, start, monkeypatch):
    monkeypatch.setattr(disk, "HELD_OPEN", 60.0)
    spec = start()
    look(limits)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING],
        cwd=spec.home,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        holder.stdout.readline()
        limits.sessions.runtime.processes = lambda: {spec.id: [holder.pid]}
        assert disk.used(spec.home) < MB
        look(limits)
        holder.stdin.close()
    assert "grew over" in why(limits, spec)


def test_deleted_files_are_named_to_who_wonders(limits, start, monkeypatch):
    spec = start()
    monkeypatch.setattr(limits, "held_open", lambda sessions: {spec.id: (9 * MB, 0)})
    look(limits)
    assert "9 MB of it are deleted files that a program has open" in said(limits, spec)


def test_deleted_files_outside_of_the_home_count_with_what_is_there(limits, start, monkeypatch):
    spec = start()
    limits.sessions.runtime.written = lambda: {spec.id: 6 * MB}
    look(limits)
    assert runs(limits, spec)
    monkeypatch.setattr(limits, "held_open", lambda sessions: {spec.id: (0, 5 * MB)})
    look(limits)
    assert "outside of its home" in why(limits, spec)


def test_an_engine_that_cannot_count_keeps_no_home_from_its_limit(limits, start):
    spec = start()

    def slow():
        raise NoRuntime("The Docker engine does not answer in time.")

    limits.sessions.runtime.written = limits.sessions.runtime.processes = slow
    look(limits)
    (spec.home / "flood").write_bytes(b"x" * 12 * MB)
    look(limits)
    assert "grew over" in why(limits, spec)


def test_who_wrote_what_the_engine_cannot_count_is_stopped(limits, start):
    spec, other = start("s1"), start("s2")
    limits.sessions.runtime.written = lambda: {spec.id: None, other.id: 5}
    look(limits, UNCOUNTED - 1)
    assert runs(limits, spec)
    look(limits)
    assert "cannot be counted" in why(limits, spec)
    assert runs(limits, other)


def test_an_engine_that_can_count_nothing_stops_nobody(limits, start):
    specs = [start("s1"), start("s2")]
    limits.sessions.runtime.written = lambda: dict.fromkeys([one.id for one in specs])
    look(limits, 2 * UNCOUNTED)
    assert all(runs(limits, one) for one in specs)


def test_a_home_that_takes_long_has_turns_of_its_own(limits, start, seen):
    start("s1"), start("s2")
    seen["s1"], seen["s2"] = Look(MB, 5, seconds=10.0), Look(MB, 5)
    running = {one.id: one for one in limits.sessions.runtime.list()}
    took = limits.round(running, every=False)
    assert took < 5, "the others come again soon"
    seen["asked"].clear()
    limits.round(running, every=False)
    assert seen["asked"] == ["s2"]
    limits.round(running, every=True)
    wait_for(lambda: sorted(seen["asked"]) == ["s1", "s2", "s2"])  # a disk that fills quickly


@pytest.fixture
def held_up(limits, monkeypatch):
    """Looks at the home of s1 last until this is set, those at others no time."""
    gate, real = threading.Event(), limits.sessions.look_at_disk

    def look_at_disk(session):
        if session.owner == "s1":
            assert gate.wait(60)
            return Look(12 * MB, 5, SLOW, seconds=20.0)
        return real(session)

    monkeypatch.setattr(limits.sessions, "look_at_disk", look_at_disk)
    yield gate
    gate.set()


def test_who_fills_the_disk_is_stopped_while_another_home_is_looked_at(limits, start, held_up):
    slow, flood = start("s1"), start("s2")
    limits._known[flood.id] = Known(Look(MB, 5))
    (flood.home / "flood").write_bytes(b"x" * 12 * MB)
    one_round = threading.Thread(target=look, args=(limits,))
    one_round.start()
    wait_for(lambda: not runs(limits, flood))
    assert one_round.is_alive()
    held_up.set()
    one_round.join()
    assert runs(limits, slow)


def test_a_home_that_is_known_to_take_long_holds_up_no_round(limits, start, held_up):
    slow, other = start("s1"), start("s2")
    running = {one.id: one for one in limits.sessions.runtime.list()}
    limits._known = {slow.id: Known(Look(MB, 5), slow=True), other.id: Known()}
    for _ in range(3):
        limits.round(running, every=True)
    assert limits._known[other.id].first
    held_up.set()
    wait_for(limits._slow_looks[slow.id].done)
    assert runs(limits, slow)
    limits.round(running, every=False)
    assert "grew over" in why(limits, slow), "judged in the round in which it is done"


def test_what_the_engine_counts_comes_after_the_homes_and_in_its_own_time(limits, start):
    flood, asked = start(), []

    def written():
        asked.append(runs(limits, flood))
        return {}

    limits.sessions.runtime.written = written
    limits._known[flood.id] = Known(Look(MB, 5))
    (flood.home / "flood").write_bytes(b"x" * 12 * MB)
    look(limits)
    assert asked == [False], "its session was stopped before"
    limits._next_layers = time.monotonic() + 60
    limits.round({}, every=True)
    assert len(asked) == 1


def test_homes_are_looked_at_side_by_side(limits, start, monkeypatch):
    together, done = threading.Barrier(4), []
    for number in range(4):
        start(f"s{number}")

    def slowly(session):
        together.wait(60)
        done.append(session.owner)
        return Look(MB, 5)

    monkeypatch.setattr(limits.sessions, "look_at_disk", slowly)
    look(limits)
    assert sorted(done) == ["s0", "s1", "s2", "s3"]


def test_an_update_that_hangs_does_not_keep_a_session_over_its_limit(limits, start, monkeypatch):
    spec = start()
    look(limits)
    (spec.home / "flood").write_bytes(b"x" * 12 * MB)
    with limits.sessions.turns.wait_for("s1", "course-1"):
        look(limits, 2)
        assert runs(limits, spec), "a launch is just coming back to it"
        monkeypatch.setattr(disk_limits, "TURN", -1.0)
        look(limits)
        assert not runs(limits, spec)
    assert os.listdir(spec.home) == ["flood"]


def test_a_launch_has_its_whole_turn_each_time(limits, start, monkeypatch):
    spec = start()
    look(limits)
    for _ in range(2):
        (spec.home / "flood").write_bytes(b"x" * 12 * MB)
        with limits.sessions.turns.wait_for("s1", "course-1"):
            look(limits)
        (spec.home / "flood").unlink()
        look(limits)
        monkeypatch.setattr(disk_limits, "TURN", 0.2)
        time.sleep(0.3)
        assert runs(limits, spec)
