"""A launcher that cannot start leaves nothing behind that would hold up the next one."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
import requests

from launcher import serve
from launcher.config import load_config
from launcher.errors import NoRuntime
from launcher.gateway.process import client_of
from launcher.machine.ports import free_port
from launcher.people import identity

pytestmark = pytest.mark.slow


def test_a_start_that_fails_ends_its_gateway_and_frees_the_folder(tmp_path, monkeypatch):
    config = load_config(data=str(tmp_path), listen="127.0.0.1:0", runtime="local")

    def broken(*args, **more):
        raise NoRuntime("nothing works")

    monkeypatch.setattr(serve, "create_app", broken)
    for _ in range(2):
        with pytest.raises(NoRuntime):
            serve.start(config)
        assert not client_of(config, identity.load_secret(tmp_path)).listens()


def test_health_is_answered_while_every_other_thread_is_busy(tmp_path, monkeypatch):
    config = load_config(data=str(tmp_path), listen="127.0.0.1:0", runtime="local")
    config = replace(config, web=replace(config.web, threads=1, streams=1))
    gate, busy, make = threading.Event(), threading.Semaphore(0), serve.create_app

    def create_app(*args, **more):
        app = make(*args, **more)

        @app.get("/slow")
        def slow():
            busy.release()
            gate.wait(300)
            return "at last"

        return app

    monkeypatch.setattr(serve, "create_app", create_app)
    running = serve.start(config)
    try:
        with ThreadPoolExecutor(6) as pool:
            slow = [pool.submit(requests.get, f"{running.url}/slow", timeout=300) for _ in range(6)]
            assert all(busy.acquire(timeout=60) for _ in range(2)), "all threads are taken"
            assert requests.get(f"{running.url}/healthz", timeout=60).json() == {"ok": True}
            assert "healthz" not in running.gateway.client.routes()
            gate.set()
            assert {one.result().text for one in slow} == {"at last"}
    finally:
        gate.set()
        running.stop()


def test_a_gateway_that_does_not_start_is_tried_again(caplog):
    tries, ended = [], threading.Event()

    def ensure():
        tries.append(1)
        if len(tries) < 3:
            raise serve.GatewayFailed("The gateway was killed while it started.")
        ended.set()

    waiting = SimpleNamespace(gateway=SimpleNamespace(ensure=ensure), _ended=ended, every=0.01)
    serve.Running.wait(waiting)
    assert len(tries) == 3
    assert "killed while it started" in caplog.text


def test_the_gateway_ends_though_something_before_it_fails(tmp_path):
    ended = []
    lock = serve.hold(tmp_path / "serve.lock")

    def broken():
        raise OSError("the engine is away")

    running = serve.Running(
        "http://h",
        parts=None,
        gateway=SimpleNamespace(stop=lambda: ended.append("gateway")),
        _servers=(),
        _reaper=SimpleNamespace(stop=lambda: None),
        _watch=SimpleNamespace(stop=lambda: None),
        _pool=SimpleNamespace(stop=broken),
        _lock=lock,
        _ended=threading.Event(),
    )
    with pytest.raises(OSError, match="away"):
        running.stop()
    assert ended == ["gateway"]
    assert lock.closed


@pytest.mark.parametrize("step", ["note_settings", "_serve"])
@pytest.mark.parametrize(
    ("error", "found", "ends"),
    [(NoRuntime, False, True), (NoRuntime, True, False), (SystemExit, True, True)],
)
def test_a_start_that_fails_leaves_a_gateway_that_it_only_found(
    tmp_path, monkeypatch, error, found, ends, step
):
    """It serves sessions that run; a signal is an end of all."""
    ended = []
    gateway = SimpleNamespace(process=None if found else 1, stop=lambda: ended.append("gateway"))

    def broken(*_):
        raise error("stop")

    monkeypatch.setattr(serve, "ensure_gateway", lambda *_: gateway)
    monkeypatch.setattr(serve, step, broken)
    with pytest.raises(error):
        serve.start(load_config(data=str(tmp_path), listen="127.0.0.1:0", runtime="local"))
    assert bool(ended) is ends


def test_a_start_says_where_the_settings_keep_browsers_away(tmp_path, caplog):
    config = load_config(data=str(tmp_path), public_url="https://class.example", runtime="local")
    port = free_port()
    running = serve.start(replace(config, listen=("127.0.0.1", port)))
    running.stop()
    assert "nothing here speaks https" in caplog.text


def test_a_start_needs_no_note_of_its_settings(tmp_path, monkeypatch, caplog):
    (tmp_path / "run" / "settings").mkdir(parents=True)
    gateway = SimpleNamespace(process=None, stop=lambda: None)
    monkeypatch.setattr(serve, "ensure_gateway", lambda *_: gateway)
    monkeypatch.setattr(serve, "_serve", lambda _config, _secret, _gateway, lock: lock)
    config = load_config(data=str(tmp_path), listen="127.0.0.1:0", runtime="local")
    serve.start(config).close()
    assert "run/settings cannot be written" in caplog.text


SIGNALLED = """
import random, signal, sys, threading
from types import SimpleNamespace
from launcher.serve import Running

gateway = SimpleNamespace(ensure=lambda: None)
nothing = [None] * 4
running = Running("", None, gateway, (), *nothing, threading.Event(), every=0.0001)
signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
for _ in range(1000):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.002))
        running.wait()
    except SystemExit:
        pass
print("ended each time")
"""


def test_a_signal_ends_a_launcher_that_waits_whatever_it_does_at_that_moment():
    done = subprocess.run(
        [sys.executable, "-c", SIGNALLED], capture_output=True, text=True, timeout=120
    )
    assert (done.stdout, done.stderr) == ("ended each time\n", "")
