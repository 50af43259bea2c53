"""An engine that is gone is a page of its own, not an error of this server."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading
import time

import pytest
from docker.errors import DockerException
from requests.exceptions import RequestException

from launcher.errors import NoRuntime
from launcher.runtimes.docker.api import EngineApi, EngineGone, EngineSlow
from launcher.web.errors import explain


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


# docker-py leaves the connection of an answer that never came to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
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
                assert time.monotonic() - began < 10
                assert explain(caught.value, request_id="x").code == "E-RUNTIME"
        gc.collect()
