"""What the doctor says of the machine."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from launcher.doctor import machine


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("Europe/London", True),
        ("GMT0BST,M3.5.0/1,M10.5.0", True),
        ("Asia/Tokyo", True),
        ("", False),
        ("Etc/UTC", False),
        ("UTC0", False),
    ],
)
def test_a_machine_that_has_a_time_zone_is_not_asked_for_one_in_winter(monkeypatch, name, good):
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(machine, "time_zone", lambda: name)
    winter = time.struct_time((2026, 1, 7, 9, 0, 0, 2, 7, 0), {"tm_gmtoff": 0, "tm_zone": "GMT"})
    now = SimpleNamespace(localtime=lambda: winter, strftime=time.strftime)
    monkeypatch.setattr(machine, "time", now)
    assert machine.zone().ok is good


def test_who_means_utc_can_say_so(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    assert machine.zone().ok
