"""The systemd unit says nothing that systemd does not understand."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent.parent / "deploy" / "launcher.service"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="package systemd")
def test_systemd_understands_the_unit(tmp_path):
    said = verify(tmp_path, UNIT.read_text())
    assert said == ""
    assert "NoNewPrivilegs" in verify(tmp_path, UNIT.read_text() + "\n[Service]\nNoNewPrivilegs=1")


def verify(folder, text):
    """What systemd has to say of the unit, with programs and units that are on any machine."""
    unit = folder / "launcher.service"
    text = text.replace("/opt/launcher/bin/launcher serve", "/bin/true")
    unit.write_text(text.replace("docker.service", "").replace("network-online.target", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    return "\n".join(line for line in done.stderr.splitlines() if "launcher.service" in line)


def test_nothing_hides_the_launcher_s_mounts_from_the_engine():
    words = ("ProtectSystem", "PrivateTmp", "ProtectHome", "PrivateMounts", "ReadWritePaths")
    settings = {line.partition("=")[0] for line in UNIT.read_text().splitlines() if "=" in line}
    assert not settings & set(words)
    assert {"NoNewPrivileges", "LimitNOFILE", "KillMode"} <= settings
