"""Commands without `--settings` go by the settings of this machine's launcher, and say so."""

from __future__ import annotations

import json
import os
import subprocess
from types import SimpleNamespace

import pytest

from launcher import parts
from launcher.__main__ import main
from launcher.config import load_config
from launcher.gateway.process import ensure_gateway
from launcher.in_use import note_settings
from launcher.people import identity
from launcher.settings import place
from tests.fakes import FakeRuntime


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The machine's settings, with a data folder of theirs."""
    file = tmp_path / "settings.yml"
    file.write_text(f"public_url: https://n.example.org\ndata: {tmp_path / 'data'}\n")
    monkeypatch.delenv(place.VARIABLE)
    monkeypatch.setattr(place, "MACHINE", file)
    return file


def said_of(capsys, *words):
    assert main(["link", "save", "x", "https://l.org/launch?env=i@v1", "--json", *words]) == 0
    said = capsys.readouterr()
    return json.loads(said.out)["url"], said.err


def test_the_machine_s_settings_count_and_are_named(settings, capsys):
    url, note = said_of(capsys)
    assert url == "https://n.example.org/go/x"
    assert note == f"launcher: settings from {settings}\n"


def test_settings_that_are_named_or_a_data_folder_of_ones_own_come_first(
    settings, tmp_path, capsys, monkeypatch
):
    own = tmp_path / "own.yml"
    own.write_text(f"public_url: https://own.example.org\ndata: {tmp_path / 'own'}\n")
    assert said_of(capsys, "--settings", str(own)) == ("https://own.example.org/go/x", "")
    assert said_of(capsys, "--data", str(tmp_path / "d")) == ("http://127.0.0.1:8080/go/x", "")
    monkeypatch.setenv("LAUNCHER_SETTINGS", str(own))
    url, note = said_of(capsys)
    assert url == "https://own.example.org/go/x"
    assert f"settings from {own}" in note
    monkeypatch.setenv("LAUNCHER_SETTINGS", "")
    assert said_of(capsys, "--data", str(tmp_path / "d")) == ("http://127.0.0.1:8080/go/x", "")


def test_a_user_who_may_not_read_them_is_told(settings, tmp_path, capsys, monkeypatch):
    class Closed:
        def open(self, mode):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(place, "MACHINE", Closed())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    _, note = said_of(capsys)
    assert "sudo launcher" in note
    assert (tmp_path / ".local/share/launcher/launcher.sqlite").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_data_folder_of_another_user_is_a_sentence(tmp_path, capsys):
    words = ["link", "saved", "--data", str(tmp_path)]
    assert main(words) == 0, "all that it needs is imported now"
    tmp_path.chmod(0o700)
    os.seteuid(65534)
    try:
        assert main(words) == 1
    finally:
        os.seteuid(0)
    said = capsys.readouterr().err
    assert f"This user may not use {tmp_path}" in said
    assert "sudo launcher" in said


@pytest.fixture
def serving(tmp_path):
    """A launcher that serves, by other settings than a command without `--settings`."""
    catalogue = {"intro": {"repo": "gh/o/e", "tag": "v1"}}
    changed = {"listen": "127.0.0.1:0", "environments__catalogue": catalogue}
    config = load_config(data=str(tmp_path), **changed)
    gateway = ensure_gateway(config, identity.load_secret(tmp_path))
    note_settings(config)
    yield config
    gateway.stop()


def test_nothing_is_removed_where_a_launcher_serves_by_other_settings(
    serving, tmp_path, capsys, monkeypatch
):
    class Walls(FakeRuntime):
        def protect(self):
            raise AssertionError("the doctor changed the walls")

    runtime = Walls(images=SimpleNamespace(digest=None))
    monkeypatch.setattr(parts, "choose_runtime", lambda *_: (runtime, "a fake"))
    monkeypatch.setattr(parts, "create_cleanup", lambda _: SimpleNamespace(run=lambda **_: []))
    left = tmp_path / "homes" / "s" / ".new-content-x"
    left.mkdir(parents=True)
    words = ["--data", str(tmp_path)]
    assert main(["env", "gc", *words]) == 1
    assert "goes by other settings" in capsys.readouterr().err
    assert main(["env", "gc", "--dry-run", *words]) == 0
    main(["doctor", "--fix", "--json", *words])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out.partition("\n")[2])}
    assert rows["settings"]["level"] == "warn"
    assert left.exists()
    file = tmp_path / "settings.yml"
    file.write_text("environments: {catalogue: {intro: {repo: gh/o/e, tag: v1}}}\n")
    assert main(["env", "gc", *words, "--settings", str(file)]) == 0


@pytest.mark.usefixtures("unchanged_process")
@pytest.mark.parametrize("command", ["serve", "doctor", "session list", "demo --once"])
def test_a_data_folder_that_is_none_is_a_sentence(tmp_path, capsys, command):
    file = tmp_path / "data"
    file.write_text("mine")
    assert main([*command.split(), "--data", str(file)]) == 1
    said = capsys.readouterr().err
    assert f"launcher: {file}" in said
    assert "--data names another one" in said


@pytest.mark.usefixtures("unchanged_process")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("command", ["serve", "doctor", "session list", "demo --once"])
def test_a_disk_that_cannot_be_written_to_is_a_sentence(tmp_path, capsys, command):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    try:
        assert main([*command.split(), "--data", str(disk)]) == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)
    said = capsys.readouterr().err
    assert "Read-only file system" in said
    assert "--data names another one" in said
