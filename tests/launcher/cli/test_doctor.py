"""`launcher doctor`: what is wrong with a box is named, with the way out and an exit code."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from launcher import __main__ as program
from launcher.config import load_config
from launcher.database import Database
from launcher.doctor import machine, network, secrets, state
from launcher.gateway.process import ensure_gateway
from launcher.machine.ports import free_port
from launcher.people import identity
from tests.certificates import make_certificate
from tests.fakes import FakeRuntime
from tests.forward_proxy import forward_proxy


@pytest.fixture
def config(tmp_path):
    return load_config(data=str(tmp_path / "data"), listen="127.0.0.1:0", runtime="local")


def only(findings, name):
    (found,) = [one for one in findings if one.name == name]
    return found


def test_a_credential_that_others_can_read_is_named(tmp_path):
    token = tmp_path / "token"
    token.write_text("s3cret")
    settings = tmp_path / "settings.yml"
    settings.write_text(
        f"git: {{credentials: {{course: {{url: 'https://h/org/', token_file: {token}}}}}}}\n"
    )
    config = load_config(settings, data=str(tmp_path / "data"))
    for mode, ok in ((0o644, False), (0o600, True)):
        token.chmod(mode)
        found = only(secrets.look(config), "credential course")
        assert found.ok is ok
        assert "chmod 600" in found.way_out
        assert "s3cret" not in str(found)


def test_secrets_of_the_data_folder_are_looked_at(config):
    identity.load_secret(config.data)
    assert only(secrets.look(config), "secret key").ok
    (config.data / "secret.key").chmod(0o640)
    assert only(secrets.look(config), "secret key").level == "FAIL"
    config.data.chmod(0o755)
    assert not machine.data_folder(config.data).ok


@pytest.mark.skipif(not shutil.which("openssl"), reason="package openssl")
@pytest.mark.parametrize(("days", "level"), [(30, "ok"), (3, "warn")])
def test_a_certificate_s_end_is_told_in_time(tmp_path, days, level):
    cert, _ = make_certificate(tmp_path, days=days)
    found = secrets.certificate(cert)
    assert found.level == level
    assert f"{days - 1} days" in found.sentence or f"{days} days" in found.sentence


def test_a_certificate_that_is_over_or_none_fails(tmp_path, monkeypatch):
    cert, key = make_certificate(tmp_path, days=1)
    later = time.time() + 5 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert secrets.certificate(cert).level == "FAIL"
    assert "expired" in secrets.certificate(cert).sentence
    assert secrets.certificate(key).level == "FAIL"


def test_a_disk_that_is_full_fails(tmp_path):
    assert machine.disk("images", tmp_path, 0).ok
    assert machine.disk("images", tmp_path, 2**60).level == "FAIL"


def test_memory_that_holds_no_session_fails(config):
    assert machine.memory(config).ok
    much = replace(config, session=replace(config.session, memory=2**50))
    assert machine.memory(much).level == "FAIL"


def test_a_damaged_database_is_told(config):
    database = Database.of(config.data)
    assert only(state.look(config, FakeRuntime(), database, fix=False), "database").ok
    with sqlite3.connect(database.file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    database.close()
    damaged = bytearray(database.file.read_bytes())
    damaged[4096:12288] = b"\x55" * 8192
    database.file.write_bytes(damaged)
    found = state.look(config, FakeRuntime(), Database.of(config.data), fix=False)
    assert only(found, "database").level == "FAIL"


def test_leftovers_are_told_and_go_with_fix(config):
    left = config.data / "homes" / "s" / ".new-content-x"
    left.mkdir(parents=True)
    os.utime(left, (0, 0))
    database = Database.of(config.data)
    assert only(state.look(config, FakeRuntime(), database, fix=False), "leftovers").level == "warn"
    assert left.exists()
    assert only(state.look(config, FakeRuntime(), database, fix=True), "leftovers").ok
    assert not left.exists()
    database.close()


def test_what_the_runtime_finds_of_sessions_is_told_and_goes_with_fix(config):
    class Swept(FakeRuntime):
        left = ("a group",)

        def sweep(self, *, older, dry_run):
            found, self.left = self.left, self.left if dry_run else ()
            return found

    runtime, database = Swept(), Database.of(config.data)
    told = only(state.look(config, runtime, database, fix=False), "leftovers")
    assert (told.level, told.sentence) == ("warn", "1: a group")
    gone = only(state.look(config, runtime, database, fix=True), "leftovers")
    assert (gone.ok, gone.sentence) == (True, "1 removed")
    assert only(state.look(config, runtime, database, fix=False), "leftovers").sentence == "none"
    database.close()


def test_a_websocket_goes_through_the_real_gateway(config, monkeypatch):
    monkeypatch.setattr(network, "PATIENCE", 60.0)
    gateway = ensure_gateway(config, identity.load_secret(config.data))
    try:
        public = replace(config, public_url=gateway.url)
        found = list(network.way_in(public, gateway.client, gateway.url))
        assert [one.level for one in found] == ["ok", "ok"]
        nowhere = replace(config, public_url="http://127.0.0.1:9")
        found = list(network.way_in(nowhere, gateway.client, gateway.url))
        assert only(found, "public address").level == "warn"
        assert gateway.client.routes() == {}, "nothing of the look stays"
    finally:
        gateway.stop()


def test_a_proxy_that_passes_no_websockets_on_is_noticed(config, monkeypatch):
    """A front that answers everything with a page, as one without the upgrade headers does."""
    monkeypatch.setattr(network, "PATIENCE", 1.0)
    added = []
    gateway = SimpleNamespace(
        add_route=lambda *row: added.append(row), remove_route=lambda name: added.clear()
    )
    with socket.create_server(("127.0.0.1", 0)) as front:
        front.settimeout(0.1)
        address = "http://{}:{}".format(*front.getsockname())
        why = network.websocket_through(gateway, address)
    assert "no WebSocket" in why
    assert not added


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        assert network.port_is_free("127.0.0.1", port).level == "FAIL"
    assert network.port_is_free("127.0.0.1", port).ok


def test_git_hosts_that_are_not_reached_are_a_warning(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        settings = tmp_path / "settings.yml"
        settings.write_text(
            f"git: {{hosts: ['127.0.0.1:{port}', '*.example.org']}}\n"
            "environments: {catalogue: {x: {repo: 'http://127.0.0.1:9/x', tag: v1}}}\n"
        )
        config = load_config(settings, data=str(tmp_path / "data"))
        found = list(network.way_out(config))
    assert [one.level for one in found] == ["warn"]
    assert "127.0.0.1:9" in found[0].sentence


def test_a_clock_that_is_off_is_told(monkeypatch):
    class Answer:
        headers = {"Date": "Sat, 21 Nov 2026 11:00:00 GMT"}  # noqa: RUF012

    monkeypatch.setattr(machine.requests, "head", lambda *args, **more: Answer)
    (found,) = machine.clock(["https://h"])
    assert found.level == ("ok" if abs(time.time() - 1795258800) < 60 else "FAIL")
    monkeypatch.setattr(machine.time, "time", lambda: 1795258810.0)
    assert only(machine.clock(["https://h"]), "clock").ok


@pytest.mark.slow
def test_the_command_says_all_of_it_and_its_exit_code(tmp_path, capsys):
    words = ["doctor", "--json", "--data", str(tmp_path / "data")]
    settings = tmp_path / "settings.yml"
    settings.write_text("runtime: local\nlisten: 127.0.0.1:0\n")
    assert program.main([*words, "--settings", str(settings)]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"git", "data", "disk of data", "memory", "open files", "secret key"} <= rows.keys()
    assert {"runtime", "isolation", "walls", "port", "database", "leftovers"} <= rows.keys()
    assert all(row["level"] in ("ok", "warn") for row in rows.values())
    (tmp_path / "data").chmod(0o755)
    assert program.main([*words, "--settings", str(settings)]) == 1


def test_the_doctor_makes_no_new_secret_beside_students_folders(tmp_path, capsys):
    (tmp_path / "homes" / "student").mkdir(parents=True)
    assert program.main(["doctor", "--data", str(tmp_path), "--json"]) == 1
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["secret key"]["level"] == "fail"
    assert "backup" in found["secret key"]["way_out"]
    assert not (tmp_path / "secret.key").exists()


def test_git_without_ssh_is_named_where_a_credential_is_a_key(tmp_path, monkeypatch):
    key = tmp_path / "key"
    key.write_text("k")
    settings = tmp_path / "settings.yml"
    settings.write_text(
        f"git: {{credentials: {{course: {{url: 'git@h:org/repo', key_file: {key}}}}}}}\n"
    )
    config = load_config(settings, data=str(tmp_path / "data"))
    assert only(machine.look(config, {}), "ssh").ok is bool(shutil.which("ssh"))
    there = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "ssh" else there(name))
    found = only(machine.look(config, {}), "ssh")
    assert (found.level, "openssh-client" in found.way_out) == ("FAIL", True)
    none = load_config(data=str(tmp_path / "data"))
    assert "ssh" not in [one.name for one in machine.look(none, {})]


def test_a_machine_that_lives_in_utc_is_asked_whether_it_means_it(monkeypatch):
    # Whole zones by their rule: no file of this machine is needed.
    for told, level in (("CET-1", "ok"), ("UTC", "ok"), (None, "warn")):
        if told:
            monkeypatch.setenv("TZ", told)
        else:
            monkeypatch.delenv("TZ")
            monkeypatch.setattr(time, "localtime", time.gmtime)
        time.tzset()
        found = machine.zone()
        assert found.level == level, told
        assert f" {told or 'GMT'}".partition("-")[0] in found.sentence
    monkeypatch.undo()
    time.tzset()


def test_hosts_are_asked_by_the_proxy_where_there_is_one(monkeypatch):
    with forward_proxy() as proxy, socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url())
        monkeypatch.setenv("no_proxy", "near.invalid")
        reached = network.why_not_reached
        assert reached("git.invalid", port, "https") is None, "no name is looked up here"
        assert reached("index.invalid", 80, "http") is None
        assert proxy.asked == [f"CONNECT git.invalid:{port}", "HEAD http://index.invalid:80/"]
        assert "not reached" in reached("near.invalid", 443, "https")
        assert "not reached" in reached("git.invalid", 22, "ssh"), "ssh knows no proxy"
        there.close()
        said = reached("git.invalid", port, "https")
        assert f"127.0.0.1:{proxy.port}: 502" in said
        monkeypatch.setenv("http_proxy", proxy.url(password="wr0ng-word"))
        said += reached("index.invalid", 80, "http")
        assert "says 407" in said
    said += reached("git.invalid", 443, "https")
    assert "no answer" in said
    assert "s3cret" not in said
    assert "wr0ng" not in said
