"""Sessions on a runtime that answers at once, and what tests ask of them."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from launcher.room.capacity import Capacity, Plan
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.queue import Queue
from tests.fakes import FakeRuntime, fake_sessions


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A server that is well may take its time on a busy machine."""
    monkeypatch.setattr("launcher.sessions.server.PATIENCE", 60.0)
    monkeypatch.setattr("launcher.sessions.server.SILENCE", 60.0)


@pytest.fixture
def server():
    """Answers `/api/status` and `/api/kernels` of every session, as Jupyter does."""

    class Status(BaseHTTPRequestHandler):
        kernels: ClassVar = []

        def do_GET(self):
            self.send_response(200 if self.headers["Authorization"] else 403)
            self.end_headers()
            kernels = self.path.endswith("/api/kernels?no_track_activity=1")
            self.wfile.write(json.dumps(self.kernels if kernels else {"connections": 0}).encode())

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Status) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        http.address = f"http://127.0.0.1:{http.server_port}"
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def kernels(server):
    """What the sessions' servers say of their kernels."""
    return server.RequestHandlerClass.kernels


@pytest.fixture
def sessions(tmp_path, server):
    return fake_sessions(tmp_path, runtime=FakeRuntime(server.address), start_timeout=60)


@pytest.fixture
def small(sessions):
    """The same with room for one."""
    capacity = Capacity(Plan(memory=1, reserve=1, largest=1), Measured(None))
    sessions.queue = Queue(capacity, Line(None), 60, 60)
    return sessions


def ensure(sessions, student="s1", course="c1", image="i1"):
    return sessions.ensure(student, course, image, "/launch?env=x", lambda progress: None)


def held(sessions):
    return [one.session for one in sessions.queue.capacity.held()]
