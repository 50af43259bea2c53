"""What a killed build left on a real engine goes, and what something uses stays."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import docker
import pytest
from docker.errors import APIError, ImageNotFound

from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker import leftovers
from tests.logged import said_by

pytestmark = pytest.mark.docker
ALL = 1 << 50
"""Bytes of caches that may stay: other tests use them."""


@pytest.fixture(scope="module")
def base(data_root):
    images = RUNTIMES["docker"](
        load_config(data=str(data_root / "leftovers"), runtime="docker"), "leftovers"
    ).images
    yield images.bases.ensure("3.11", say=print).name
    images.client.close()


def test_leftovers_of_killed_builds_go(base, monkeypatch):
    mark = uuid.uuid4().hex[:8]
    monkeypatch.setattr(leftovers, "CONTAINER", f"leftover-{mark}-")
    monkeypatch.setattr(leftovers, "IMAGES", f"leftover-{mark}/")
    with contextlib.closing(docker.from_env()) as client:
        client.images.get(base).tag(f"leftover-{mark}/a", tag="new")
        check = client.containers.create(base, "true", name=f"leftover-{mark}-check")
        check.commit(f"leftover-{mark}/b", "new")
        used = client.containers.create(f"leftover-{mark}/b:new", "true")
        try:
            time.sleep(1.1)
            seen = leftovers.sweep(client, older=0, cache=ALL, dry_run=True)
            assert len(seen) == 3
            gone = leftovers.sweep(client, older=0, cache=ALL, dry_run=False)
            assert [row[:2] for row in gone] == [
                ("container", f"leftover-{mark}-check"),
                ("leftover", f"leftover-{mark}/a:new"),
            ]
            assert client.images.get(base), "the same image under a good name stays"
            young = leftovers.sweep(client, older=3600, cache=ALL, dry_run=False)
            assert young == [], "a tag of a minute ago may be a build's, however old its layers are"
            assert client.images.get(f"leftover-{mark}/b:new")
        finally:
            used.remove(force=True)
            client.images.remove(f"leftover-{mark}/b:new")


def test_an_engine_that_tells_somebody_else_its_disk_s_use_is_asked_again(monkeypatch):
    busy = APIError("a disk usage operation is already running")
    answers = iter([busy, busy, {"Volumes": []}, APIError("no space left on device")])

    def usage(client):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(leftovers.buildkit, "usage", usage)
    assert leftovers.disk_usage(None, every=0) == {"Volumes": []}
    with pytest.raises(APIError, match="no space"):
        leftovers.disk_usage(None, every=0)


@pytest.fixture
def slow_engine():
    """Measures and removes caches for longer than other calls may take."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            time.sleep(1.5)
            body = b'{"BuildCache": [{"Size": 9, "Shared": false}], "SpaceReclaimed": 9}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(BrokenPipeError):
                self.wfile.write(body)

        do_POST = do_GET
        log_message = log_request = lambda *said: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.server_port}"
        with contextlib.closing(docker.DockerClient(address, version="1.41", timeout=1)) as client:
            yield client
        server.shutdown()


def test_caches_that_take_long_to_remove_go(slow_engine):
    rows = leftovers.caches(slow_engine, keep=0, dry_run=False)
    assert rows == [("build cache", "BuildKit", 9)]


def test_an_engine_that_removes_no_caches_keeps_nothing_from_going_on(
    slow_engine, monkeypatch, caplog
):
    monkeypatch.setattr(leftovers.buildkit, "LONG", 0.2)
    monkeypatch.setattr(type(slow_engine), "containers", SimpleNamespace(list=lambda **asked: []))
    monkeypatch.setattr(type(slow_engine.api), "images", lambda self, name: [])
    leftovers.empty_cache(slow_engine)
    assert leftovers.sweep(slow_engine, older=0, cache=0, dry_run=False) == []
    logged = said_by(caplog, "launcher.runtimes.docker.leftovers")
    assert [one.levelname for one in logged] == ["WARNING", "WARNING"]


def test_an_image_whose_build_ends_while_it_is_looked_at_is_no_leftover(monkeypatch):
    def get(name):
        raise ImageNotFound("no such image")

    client = SimpleNamespace(
        containers=SimpleNamespace(list=lambda **asked: []),
        api=SimpleNamespace(images=lambda name: [{"Id": "sha256:ab"}]),
        images=SimpleNamespace(get=get),
    )
    monkeypatch.setattr(leftovers.buildkit, "usage", lambda client: {})
    assert leftovers.sweep(client, older=0, cache=ALL, dry_run=False) == []
