"""The systemd units say nothing that systemd does not understand."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent.parent / "deploy" / "launcher.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="package systemd")
def test_systemd_understands_the_unit(tmp_path):
    said = verify(tmp_path, UNIT.read_text())
    assert said == ""
    assert "NoNewPrivilegs" in verify(tmp_path, UNIT.read_text() + "\n[Service]\nNoNewPrivilegs=1")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="package systemd")
@pytest.mark.parametrize("name", ["launcher-backup.service", "launcher-backup.timer"])
def test_systemd_understands_the_backup_of_each_night(tmp_path, name):
    shutil.copy(UNIT.with_name("launcher-backup.service"), tmp_path)
    assert verify(tmp_path, UNIT.with_name(name).read_text(), name) == ""


@pytest.fixture
def told():
    """What the unit of the backup says."""
    lines = UNIT.with_name("launcher-backup.service").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_what_a_killed_backup_left_goes_before_the_next_one(told, tmp_path):
    assert told["RequiresMountsFor"] == "/backup"
    for name in (".launcher-1.tar.gz.ab", ".launcher-2.tar.gz.cd", "launcher-1.tar.gz", ".mine"):
        (tmp_path / name).touch()
    (tmp_path / ".launcher-1.tar.gz.dir").mkdir()
    (tmp_path / ".launcher-1.tar.gz.dir/launcher.sqlite").touch()
    for path in tmp_path.iterdir():
        hours = 1 if "-2" in path.name else 20
        os.utime(path, (time.time() - hours * 3600,) * 2)
    subprocess.run(shlex.split(told["ExecStartPre"].replace("/backup", str(tmp_path))), check=True)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".launcher-2.tar.gz.cd", "launcher-1.tar.gz", ".mine"}


def test_a_night_s_backup_has_the_date_and_removes_old_ones_of_its_own_kind(told, tmp_path):
    made = tmp_path / "made"
    program = f"echo launcher >>{made}; echo"
    shell = told["ExecStart"].replace("$$", "$").replace("%%", "%")
    shell = shell.replace("exec /opt/launcher/bin/launcher", program)
    days = [time.strftime("%Y-%m-%d")]
    said = subprocess.run(shlex.split(shell), capture_output=True, text=True, check=True).stdout
    days.append(time.strftime("%Y-%m-%d"))  # it may be midnight meanwhile
    words = said.split()
    assert words[0] == "backup"
    assert words[1] in [f"/backup/launcher-{day}.tar.gz" for day in days]
    for name, days in (("launcher-old.tar.gz", 20), ("launcher-new.tar.gz", 2), ("mine.txt", 20)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - days * 86400,) * 2)
    subprocess.run(shlex.split(told["ExecStartPost"].replace("/backup", str(tmp_path))), check=True)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"made", "launcher-new.tar.gz", "mine.txt"}


def verify(folder, text, name="launcher.service"):
    """What systemd has to say of the unit, with programs and units that are on any machine."""
    unit = folder / name
    text = text.replace("/opt/launcher/bin/launcher serve", "/bin/true")
    unit.write_text(text.replace("docker.service", "").replace("network-online.target", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return "\n".join(line for line in done.stderr.splitlines() if unit.stem in line)


def test_nothing_hides_the_launcher_s_mounts_from_the_engine():
    words = ("ProtectSystem", "PrivateTmp", "ProtectHome", "PrivateMounts", "ReadWritePaths")
    settings = {line.partition("=")[0] for line in UNIT.read_text().splitlines() if "=" in line}
    assert not settings & set(words)
    assert {"NoNewPrivileges", "LimitNOFILE", "KillMode"} <= settings
