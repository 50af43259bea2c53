"""An engine that is gone is a page of its own, not an error of this server."""

from __future__ import annotations

import contextlib
import gc
import http.server
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from docker.errors import DockerException
from requests.exceptions import ReadTimeout, RequestException

from launcher.errors import NoRuntime
from launcher.runtimes.docker.api import EngineApi, EngineGone, EngineSlow, connect
from launcher.web.errors import explain
from tests.logged import said_by

API = "launcher.runtimes.docker.api"
CONNECTIONS = "urllib3.connectionpool"
# docker-py leaves the connection of an answer that never came to the garbage collector.
LEAVES = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@LEAVES
def test_an_engine_that_is_gone_is_told_apart(tmp_path):
    with (
        contextlib.closing(
            EngineApi(base_url=f"unix://{tmp_path}/none.sock", version="1.41")
        ) as api,
        pytest.raises(EngineGone) as caught,
    ):
        api.containers()
    assert isinstance(caught.value, NoRuntime)
    assert isinstance(caught.value, OSError), "whoever expects the network's errors expects this"
    assert explain(caught.value, request_id="x").code == "E-RUNTIME"
    gc.collect()


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.say(b"[]")

    def say(self, answer):
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, form, *values):
        pass


class OnSocket(http.server.ThreadingHTTPServer):
    address_family = socket.AF_UNIX
    daemon_threads = True
    request_queue_size = 128

    def server_bind(self):
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "engine", 0


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@LEAVES
def test_the_log_has_one_line_when_the_engine_goes_and_one_when_it_is_back(
    tmp_path, caplog, monkeypatch
):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("launcher.runtimes.docker.api.SETTLED", 1000)
    place = tmp_path / "engine.sock"
    with serving(OnSocket(str(place), Answering)):
        api = EngineApi(base_url=f"unix://{place}", version="1.41")
        assert api.containers() == []
    with contextlib.closing(api):
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(api.containers) for _ in range(12)]
        assert {type(one.exception()) for one in asked} == {EngineGone}
        place.unlink()
        with serving(OnSocket(str(place), Answering)):
            assert api.containers() == api.containers() == []
            assert len(said_by(caplog, API)) == 1, "an engine that ends gives answers, too"
            monkeypatch.setattr("launcher.runtimes.docker.api.SETTLED", 0)
            assert api.containers() == api.containers() == []
    logged = said_by(caplog, API)
    assert [one.getMessage() for one in logged] == [
        "The Docker engine does not answer. Until it does, nothing is started, watched or stopped.",
        "The Docker engine answers again.",
    ]
    assert not any(one.exc_info for one in logged)
    gc.collect()


def test_a_class_that_clicks_at_once_throws_no_connection_away(tmp_path, caplog, monkeypatch):
    students = 100
    together = threading.Barrier(students)

    class Busy(Answering):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.path.endswith("/version"):
                return self.say(b'{"ApiVersion": "1.41"}')
            together.wait(120)
            return self.say(b"[]")

    monkeypatch.setattr("launcher.runtimes.docker.api.QUICK", 120.0)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/busy.sock")
    with (
        serving(OnSocket(f"{tmp_path}/busy.sock", Busy)),
        contextlib.closing(connect(timeout=120)) as client,
        ThreadPoolExecutor(students) as threads,
    ):
        for _ in range(2):
            asked = [threads.submit(client.api.containers) for _ in range(students)]
            assert [one.result() for one in asked] == [[]] * students
    assert said_by(caplog, API, CONNECTIONS) == []


@LEAVES
def test_an_engine_that_was_never_there_is_told_by_the_error_alone(tmp_path, caplog):
    with contextlib.closing(
        EngineApi(base_url=f"unix://{tmp_path}/none.sock", version="1.41")
    ) as api:
        for _ in range(2):
            with pytest.raises(EngineGone):
                api.containers()
    assert said_by(caplog, API) == []
    gc.collect()


@LEAVES
def test_an_engine_that_is_slow_is_not_gone(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "slow.sock"))
        server.listen()
        held = []
        thread = threading.Thread(target=lambda: held.append(server.accept()[0]))
        thread.start()
        with (
            contextlib.closing(
                EngineApi(base_url=f"unix://{tmp_path}/slow.sock", version="1.41", timeout=0.3)
            ) as api,
            pytest.raises((RequestException, DockerException)) as caught,
        ):
            api.containers()
        assert not isinstance(caught.value, EngineGone)
        thread.join()
        held[0].close()
        gc.collect()


@LEAVES
def test_an_engine_that_hangs_holds_no_thread_for_as_long_as_a_start_may_take(
    tmp_path, monkeypatch
):
    """As a stopped process does, it takes connections and answers none."""
    monkeypatch.setattr("launcher.runtimes.docker.api.QUICK", 0.2)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "hung.sock"))
        server.listen()
        with contextlib.closing(
            EngineApi(base_url=f"unix://{tmp_path}/hung.sock", version="1.41", timeout=60)
        ) as api:
            for ask in (api.containers, lambda: api.inspect_container("x")):
                began = time.monotonic()
                with pytest.raises(EngineSlow) as caught:
                    ask()
                assert time.monotonic() - began < 50
                assert explain(caught.value, request_id="x").code == "E-RUNTIME"
        gc.collect()


@LEAVES
def test_a_registry_that_hangs_says_nothing_of_the_engine(tmp_path, monkeypatch, caplog):
    class Asking(Answering):
        def do_GET(self):
            if "/distribution/" in self.path:
                assert over.wait(60)
            self.say(b"[]")

    over = threading.Event()
    place = str(tmp_path / "engine.sock")
    with (
        serving(OnSocket(place, Asking)),
        contextlib.closing(EngineApi(base_url=f"unix://{place}", version="1.41")) as api,
    ):
        assert api.containers() == []
        monkeypatch.setattr("launcher.runtimes.docker.api.QUICK", 0.1)
        monkeypatch.setattr("launcher.runtimes.docker.api.REGISTRY", 0.3)
        with pytest.raises(ReadTimeout, match=r"timeout=0\.3"):
            api.inspect_distribution("evil.example/x:1")
        over.set()
    assert said_by(caplog, API) == []
    gc.collect()
