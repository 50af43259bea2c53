"""Guests of the API: their files go some time after their session; a student's never do."""

import os
import time

import pytest

from launcher.cleanup.guests import Guests
from launcher.people.identity import is_guest, new_guest, new_student
from tests.fakes import fake_sessions

HOUR = 3600.0


@pytest.fixture
def guests(tmp_path):
    sessions = fake_sessions(tmp_path)
    return Guests(sessions, 24 * HOUR)


def worked(guests, student, *, ended=True):
    """A student who had a session and wrote a file, long ago as far as the disk knows."""
    spec, _ = guests.sessions.ensure(student, "course", "i", "/launch", lambda progress: None)
    (spec.home / "work.txt").write_text("mine")
    if ended:
        guests.sessions.stop(spec.id, why="it was not used")
    os.utime(spec.home.parent, (1.0, 1.0))
    return spec.home / "work.txt"


def later(monkeypatch, hours):
    now = time.time() + hours * HOUR
    monkeypatch.setattr(time, "time", lambda: now)


def test_a_guest_s_files_go_a_day_after_the_session_and_a_student_s_never(guests, monkeypatch):
    guest, student = worked(guests, new_guest()), worked(guests, new_student())
    assert guests.remove_old() == []
    later(monkeypatch, 23)
    assert guests.remove_old() == []
    assert guest.exists()
    later(monkeypatch, 2)
    (gone,) = guests.remove_old()
    assert gone.name == guest.parent.parent.name
    assert not guest.parent.parent.exists()
    later(monkeypatch, 24 * 400)
    assert guests.remove_old() == []
    assert student.read_text() == "mine"


def test_a_running_session_of_a_guest_keeps_its_files(guests, monkeypatch):
    guest = worked(guests, new_guest(), ended=False)
    later(monkeypatch, 1000)
    assert guests.remove_old() == []
    assert guest.read_text() == "mine"


def test_a_launch_that_is_under_way_keeps_them(guests, monkeypatch):
    guest = worked(guests, new_guest())
    later(monkeypatch, 48)
    with guests.sessions.turns.wait_for(guest.parent.parent.name, "course"):
        assert guests.remove_old() == []
    assert guest.exists()
    assert len(guests.remove_old()) == 1


@pytest.mark.parametrize(
    "name",
    [
        "guest",
        "guest-",
        "guest-of-honour",
        "guest-0123456789abcdef012",
        "guest-0123456789abcdef01234",
        "guest-0123456789ABCDEF0123",
        "my-guest-0123456789abcdef0123",
    ],
)
def test_a_name_that_only_looks_alike_is_a_student_s(guests, monkeypatch, name):
    assert not is_guest(name)
    student = worked(guests, name)
    later(monkeypatch, 1000)
    assert guests.remove_old() == []
    assert student.exists()


def test_links_in_a_guest_s_home_lead_to_nothing_that_goes(guests, monkeypatch, tmp_path):
    other = tmp_path / "homes" / new_student() / "course"
    other.mkdir(parents=True)
    (other / "work.txt").write_text("somebody's")
    guest = worked(guests, new_guest())
    (guest.parent / "link").symlink_to(other)
    deep = guest.parent
    for _ in range(60):
        deep = deep / ("d" * 60)
    deep.mkdir(parents=True)
    later(monkeypatch, 48)
    assert len(guests.remove_old()) == 1
    assert (other / "work.txt").read_text() == "somebody's"


def test_a_life_of_zero_keeps_them(guests, monkeypatch):
    guest = worked(guests, new_guest())
    later(monkeypatch, 1000)
    assert Guests(guests.sessions, 0.0).remove_old() == []
    assert guest.exists()
