"""`launcher serve` ends by a signal, whenever that comes."""

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace

import pytest

from launcher.cli import Context, serve

NOTHING = SimpleNamespace(listen=None, public_url=None, runtime=None)


@pytest.fixture
def unhandled():
    """What the signals do without `launcher serve`: they are noted."""
    noted = []
    before = {
        name: signal.signal(name, lambda *got: noted.append(got[0])) for name in serve.SIGNALS
    }
    yield noted
    for name, handler in before.items():
        signal.signal(name, handler)


@pytest.mark.parametrize("name", serve.SIGNALS)
def test_a_signal_while_it_starts_undoes_the_start(name, tmp_path, monkeypatch, unhandled):
    def start(_config):
        os.kill(os.getpid(), name)
        threading.Event().wait(1)  # a signal is handled at the next opportunity
        raise AssertionError("it goes on starting")

    monkeypatch.setattr(serve.serving, "start", start)
    with pytest.raises(SystemExit):
        serve.serve(NOTHING, Context(None, {"data": str(tmp_path)}, json=False))
    assert unhandled == []


def test_a_second_signal_does_not_disturb_its_end(tmp_path, monkeypatch, unhandled):
    done = []

    def stop():
        for name in serve.SIGNALS:
            os.kill(os.getpid(), name)
        threading.Event().wait(0.1)
        done.append("all of it")

    def wait():
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(1)

    running = SimpleNamespace(url="http://h", wait=wait, stop=stop)
    monkeypatch.setattr(serve.serving, "start", lambda _config: running)
    with pytest.raises(SystemExit):
        serve.serve(NOTHING, Context(None, {"data": str(tmp_path)}, json=False))
    assert done == ["all of it"]
    assert unhandled == []
