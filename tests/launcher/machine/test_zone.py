"""Which time zone a machine has, as far as it says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.machine.zone import time_zone

BERLIN = Path("/usr/share/zoneinfo/Europe/Berlin")


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    monkeypatch.delenv("TZ", raising=False)


def test_what_the_service_says_counts(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", ":Asia/Tokyo")
    assert time_zone(tmp_path / "localtime") == "Asia/Tokyo"


@pytest.mark.skipif(not BERLIN.exists(), reason="package tzdata")
def test_a_link_has_the_name_and_a_mounted_file_the_rule(tmp_path):
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(BERLIN)
    file.write_bytes(BERLIN.read_bytes())
    assert time_zone(link) == "Europe/Berlin"
    assert time_zone(file) == "CET-1CEST,M3.5.0,M10.5.0/3"


def test_a_machine_that_says_nothing_says_nothing(tmp_path):
    assert time_zone(tmp_path / "none") == ""
