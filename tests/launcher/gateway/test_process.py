"""The gateway's process: whoever holds the data folder has one, and ends it."""

from __future__ import annotations

import contextlib
import http.server
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import requests

from launcher.config import load_config
from launcher.gateway import client as client_module
from launcher.gateway import process
from launcher.gateway.client import GatewayClient, NoAnswer
from launcher.gateway.process import Gateway, GatewayFailed, client_of, ensure_gateway
from launcher.machine.ports import free_port
from launcher.people import identity


@pytest.fixture
def alone(tmp_path):
    """Settings of a data folder without a gateway."""
    return load_config(data=str(tmp_path / "data"), listen="127.0.0.1:0", log__format="text")


@pytest.fixture
def started(alone, monkeypatch):
    """Its gateway, as a launcher that was killed leaves it."""
    monkeypatch.setattr(process, "END", 60.0)
    running = ensure_gateway(alone, identity.load_secret(alone.data))
    yield running
    with contextlib.suppress(ProcessLookupError):
        running.process.send_signal(signal.SIGCONT)
    running.process.kill()
    running.process.wait(60)


def next_launcher(config):
    return ensure_gateway(config, identity.load_secret(config.data))


def test_each_try_to_start_it_again_takes_the_same_port(alone, monkeypatch):
    """Links and notebooks know it by that port; the first try may fail, whatever the reason."""
    asked = []

    def command(config):
        asked.append(config.listen[1])
        return [sys.executable, "-c", "raise SystemExit(1)"]

    monkeypatch.setattr(process, "gateway_command", command)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait(60)
    gateway = Gateway(alone, client_of(alone, b"s" * 32), 4321, dead)
    for _ in range(2):
        with pytest.raises(GatewayFailed, match="4321"):
            gateway.ensure()
    assert asked == [4321, 4321]
    assert urlsplit(gateway.url).port == 4321


def test_an_address_of_another_machine_and_a_crash_are_told_apart(alone, monkeypatch):
    elsewhere = replace(alone, listen=("192.0.2.1", free_port()))
    with pytest.raises(GatewayFailed, match="`listen` says: Cannot assign requested address"):
        next_launcher(elsewhere)
    crash = [sys.executable, "-c", "raise SystemExit(7)"]
    monkeypatch.setattr(process, "gateway_command", lambda config: crash)
    with pytest.raises(GatewayFailed, match="ended with exit code 7") as caught:
        next_launcher(alone)
    assert "listen on" not in caught.value.message


def test_a_start_that_fails_leaves_what_the_gateway_before_said(alone, monkeypatch):
    client = client_of(alone, identity.load_secret(alone.data))
    client.announcement.parent.mkdir(parents=True)
    client.announcement.write_text(f"{free_port()} 4321 1 mark")
    failing = [sys.executable, "-c", "raise SystemExit(1)"]
    monkeypatch.setattr(process, "gateway_command", lambda config: failing)
    with pytest.raises(GatewayFailed):
        process.start_gateway(alone, client)
    assert client.announced().public == 4321


class Stranger(http.server.BaseHTTPRequestHandler):
    """A program that has the port of the gateway before the reboot."""

    def do_GET(self):
        body = b"[]" if self.server.says == 200 else b"Not Found"
        self.send_response(self.server.says)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(params=[404, 200, None])
def stranger(alone, request):
    """Its announced process is a program that runs, too: this one."""
    client = client_of(alone, identity.load_secret(alone.data))
    client.announcement.parent.mkdir(parents=True)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger) as server:
        server.says = request.param
        client.announcement.write_text(f"{server.server_port} 4321 {os.getpid()} mark")
        if server.says:  # else it listens and never answers
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield client
        if server.says:
            server.shutdown()


def test_another_program_is_not_taken_for_a_gateway(stranger, alone, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 1.0)
    assert stranger.health()
    with pytest.raises(NoAnswer):
        stranger.routes()
    monkeypatch.setattr(client_module, "TIMEOUT", 60.0)
    asked = []
    call = GatewayClient._call
    with monkeypatch.context() as patched:
        patched.setattr(
            GatewayClient,
            "_call",
            lambda client, *said, **more: (
                asked.append(client.announced().pid) or call(client, *said, **more)
            ),
        )
        assert process.find_gateway(alone, identity.load_secret(alone.data)) is None
        running = next_launcher(alone)
    try:
        assert running.process.pid == running.client.announced().pid
        assert running.client.health() is None
        assert set(asked) == {running.process.pid}, "nobody else was told the token"
    finally:
        running.stop()


def test_a_gateway_that_outlived_its_launcher_is_taken_over_and_ended_by_the_next(started):
    found = next_launcher(started.config)
    assert found.process is None
    assert found.url == started.url
    found.stop()
    assert not found.client.listens()
    assert started.process.wait(60) == 0


@pytest.mark.parametrize("change", ["port", "settings", "version"])
def test_a_gateway_that_is_not_as_a_new_one_would_be_is_replaced(started, change, monkeypatch):
    config = started.config
    if change == "port":
        config = replace(config, listen=("127.0.0.1", free_port()))
    if change == "settings":
        config = replace(config, web=replace(config.web, origins=("https://h.example",)))
    if change == "version":
        monkeypatch.setattr(process, "code", lambda: "newer")
    new = next_launcher(config)
    try:
        assert started.process.wait(60) == 0
        assert new.process.pid == new.client.announced().pid
        assert config.listen[1] in (0, new.port)
        assert requests.get(f"{new.url}/x", timeout=30).status_code == 503
    finally:
        new.stop()


def test_a_gateway_that_cannot_be_asked_to_end_is_named(started, monkeypatch):
    """One of an older version knows no such request."""
    monkeypatch.setattr(process, "code", lambda: "newer")
    monkeypatch.setattr(process, "END", 0.2)
    monkeypatch.setattr(client_module.GatewayClient, "stop", lambda self: None)
    with pytest.raises(GatewayFailed, match="another version") as refused:
        next_launcher(started.config)
    assert f"process {started.process.pid})" in refused.value.hint


def test_nobody_without_the_token_ends_it(started):
    stop = f"http://127.0.0.1:{started.client.announced().admin}/api/stop"
    assert requests.post(stop, timeout=30).status_code == 403
    assert started.client.health() is None


def test_a_slow_gateway_is_waited_for(started, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 2.0)
    monkeypatch.setattr(process, "PATIENCE", 60.0)
    started.process.send_signal(signal.SIGSTOP)

    def go_on():
        monkeypatch.setattr(client_module, "TIMEOUT", 60.0)
        started.process.send_signal(signal.SIGCONT)

    later = threading.Timer(5.0, go_on)
    later.start()
    found = next_launcher(started.config)
    later.join()
    assert found.process is None
    assert found.client.announced().pid == started.process.pid


def test_one_that_stays_slow_is_named_and_can_be_taken_over_later(started, monkeypatch):
    monkeypatch.setattr(client_module, "TIMEOUT", 0.3)
    monkeypatch.setattr(process, "PATIENCE", 0.5)
    started.process.send_signal(signal.SIGSTOP)
    with pytest.raises(GatewayFailed, match="did not answer") as refused:
        next_launcher(started.config)
    assert f"process {started.process.pid})" in refused.value.hint
    monkeypatch.setattr(client_module, "TIMEOUT", 60.0)
    monkeypatch.setattr(process, "PATIENCE", 60.0)
    started.process.send_signal(signal.SIGCONT)
    assert next_launcher(started.config).process is None


def test_a_signal_while_it_starts_leaves_no_process(alone, monkeypatch):
    begun = []
    popen = subprocess.Popen

    def start(*args, **more):
        begun.append(popen(*args, **more))
        return begun[-1]

    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(process.subprocess, "Popen", start)
    monkeypatch.setattr(client_module.GatewayClient, "announced", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.start_gateway(alone, client_of(alone, identity.load_secret(alone.data)))
    assert begun[0].poll() is not None
