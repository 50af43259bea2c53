"""`launcher serve` ends by a signal, whenever that comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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


@pytest.fixture
def left(monkeypatch):
    """Who leaves here does not end the tests."""
    noted = []
    monkeypatch.setattr(serve, "leave", lambda: noted.append("left"))
    return noted


@pytest.mark.parametrize("name", serve.SIGNALS)
def test_a_signal_while_it_starts_undoes_the_start(name, tmp_path, monkeypatch, unhandled, left):
    def start(_config):
        os.kill(os.getpid(), name)
        threading.Event().wait(1)  # a signal is handled at the next opportunity
        raise AssertionError("it goes on starting")

    monkeypatch.setattr(serve.serving, "start", start)
    serve.serve(NOTHING, Context(None, {"data": str(tmp_path)}, json=False))
    assert left == ["left"]
    assert unhandled == []


def test_a_second_signal_does_not_disturb_its_end(tmp_path, monkeypatch, unhandled, left):
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
    serve.serve(NOTHING, Context(None, {"data": str(tmp_path)}, json=False))
    assert (done, left) == (["all of it"], ["left"])
    assert unhandled == []


FETCHING = """
import atexit, logging, sys, tempfile, time
from types import SimpleNamespace
from launcher.asking import Asking
from launcher.cli import Context, serve

def start(config):
    folder = tempfile.TemporaryDirectory(dir=sys.argv[1])
    def fetch(repo, ref):
        with folder:
            print("fetching", flush=True)
            time.sleep(600)
    asking = Asking()
    asking.submit(fetch, "https://git.example.org/o/r", "")
    atexit.register(print, "the end")
    stop = lambda: logging.getLogger("x").info("stopped; sessions go on")
    return SimpleNamespace(url="http://h", wait=lambda: time.sleep(600), stop=stop)

serve.serving.start = start
words = SimpleNamespace(listen=None, public_url=None, runtime=None)
serve.serve(words, Context(None, {"data": sys.argv[1]}, json=False))
"""


def test_a_fetch_that_goes_on_does_not_keep_it_from_its_end(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", FETCHING, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            said = process.stdout.readline() + process.stdout.readline()
            assert "fetching" in said
            process.terminate()
            rest, logged = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert rest == "the end\n"
    assert "stopped; sessions go on" in logged
    assert list(tmp_path.iterdir()) == [], "temporary folders are removed"
