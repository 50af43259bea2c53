"""The launcher comes back by itself from what happens to machines: no session is lost."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import make_box
from tests.waiting import wait_for

pytestmark = pytest.mark.docker
ENGINE = Path("/var/run/docker.sock")


class Cable:
    """A way to the engine's socket that can be cut and mended: an engine that goes and comes."""

    def __init__(self, place):
        self.place = place
        self.ended = False
        self.lines = []
        self.mend()

    def mend(self):
        self.whole = True
        self.place.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.place))
        self.listener.listen(64)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def cut(self):
        self.whole = False
        self.place.unlink(missing_ok=True)
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for line in self.lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self.lines.clear()

    def _serve(self, listener):
        with contextlib.suppress(OSError):
            while True:
                here, _ = listener.accept()
                there = socket.socket(socket.AF_UNIX)
                there.connect(str(ENGINE))
                self.lines += [here, there]
                threading.Thread(target=join, args=(here, there), daemon=True).start()


def join(one, other):
    with selectors.DefaultSelector() as chooser, contextlib.suppress(OSError):
        open_ = {one: other, other: one}
        for line in open_:
            chooser.register(line, selectors.EVENT_READ)
        while len(open_) == 2 or chooser.get_map():
            for key, _ in chooser.select():
                data = key.fileobj.recv(65536)
                if data:
                    (other if key.fileobj is one else one).sendall(data)
                else:
                    chooser.unregister(key.fileobj)
                    (other if key.fileobj is one else one).shutdown(socket.SHUT_WR)
            if not chooser.get_map():
                break
    one.close()
    other.close()


def opened(box, browser):
    """Click the link until the notebook's address is there."""
    answer = browser.get(box.link(), headers={"Accept": "application/json"}).json()
    while not answer["url"]:
        assert not answer["error"], answer["error"]
        time.sleep(0.2)
        answer = browser.get(f"{box.url}/api/launches/{answer['id']}").json()
    return answer["url"]


@pytest.fixture
def browser():
    with requests.Session() as http:
        http.trust_env = False
        yield http


@pytest.mark.skipif(not ENGINE.exists(), reason="the engine has no socket here")
def test_an_engine_that_goes_and_comes_back_costs_no_session(data_root, browser, monkeypatch):
    root = data_root / "faults-engine"
    root.mkdir()
    cable = Cable(root / "engine.sock")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{cable.place}")
    box = make_box(root, "docker").start()
    try:
        url = opened(box, browser)
        cable.cut()
        ready = requests.get(f"{box.url}/readyz", timeout=120)
        assert ready.status_code == 503
        assert "engine" in ready.json()["checks"]["runtime"]
        assert browser.get(url).status_code == 200, "a notebook that runs needs no engine"
        with requests.Session() as other:
            said = other.get(box.link(), headers={"Accept": "application/json"}).json()
            said = wait_for(
                lambda: (
                    now
                    if (now := other.get(f"{box.url}/api/launches/{said['id']}").json())["error"]
                    else None
                ),
                120,
            )
        assert said["error"]["code"] != "E-INTERNAL", said["error"]
        time.sleep(16)  # the reaper looks, and must not take silence for an end
        cable.mend()
        wait_for(box.is_ready, 120)
        assert opened(box, browser) == url, "the same session"
        assert browser.get(url).status_code == 200
    finally:
        if not cable.whole:
            cable.mend()
        box.end()
        box.clean()
        cable.cut()
