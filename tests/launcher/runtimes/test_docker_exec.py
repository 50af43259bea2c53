"""Commands in a container: all output, no more time than allowed, and an end that is told apart."""

from __future__ import annotations

import http.client
import io
import threading
import time
import uuid

import pytest

from launcher.config import load_config
from launcher.errors import SessionFailed, SessionGone
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker import exec as commands
from tests.waiting import wait_for

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def client(data_root):
    config = load_config(data=str(data_root / "docker-exec"), runtime="docker")
    images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
    base = images.bases.ensure("3.11", say=print)
    images.client.base = base.name
    yield images.client
    images.client.close()


@pytest.fixture
def container(client):
    made = client.containers.run(
        client.base,
        ["-c", "sleep 600"],
        entrypoint="/bin/sh",
        detach=True,
        network_mode="none",
        user="1000:1000",
    )
    yield made
    made.remove(force=True)


@pytest.fixture
def run(client, container):
    def run(*command, stdin=None, timeout=120.0, environment=None):
        return commands.run_in_container(
            client,
            container.id,
            command,
            user="1000:1000",
            workdir="/tmp",
            environment=environment or {},
            stdin=io.BytesIO(stdin) if stdin is not None else None,
            timeout=timeout,
        )

    return run


def test_output_input_and_code_arrive(run):
    done = run("sh", "-c", "cat; echo oops >&2; exit 7", stdin=b"x" * 3_000_000)
    assert (done.code, len(done.out), done.err) == (7, 3_000_000, b"oops\n")


def test_output_that_comes_together_with_the_header_is_not_lost(run, monkeypatch):
    """A reader that is late finds the header and the output in one piece."""
    real = http.client.HTTPResponse.begin

    def late(response):
        time.sleep(0.3)
        real(response)

    monkeypatch.setattr(http.client.HTTPResponse, "begin", late)
    for _ in range(3):
        assert run("echo", "here").out == b"here\n"


def test_many_short_commands_lose_nothing(run):
    for number in range(30):
        assert run("echo", str(number)).out == f"{number}\n".encode()


def test_a_command_that_takes_too_long_is_ended_whatever_the_students_path_holds(run, container):
    fake = '#!/bin/sh\\nshift 3; exec "$@"'
    run("sh", "-c", f"mkdir -p bin; printf '{fake}' >bin/timeout; chmod +x bin/timeout")
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        run("sh", "-c", "sleep 300", timeout=1.0, environment={"PATH": "/tmp/bin:/usr/bin:/bin"})
    assert time.monotonic() - began < 120
    wait_for(lambda: not runs(container, "sleep 300"), 60)


def runs(container, command):
    return any(row[-1] == command for row in container.top()["Processes"])


def test_a_command_that_prints_steadily_is_ended_too(run):
    with pytest.raises(TimeoutError):
        run("sh", "-c", "while :; do echo x; sleep 0.2; done", timeout=1.0)


def test_a_command_that_prints_without_end_is_not_kept_in_memory(run, monkeypatch):
    monkeypatch.setattr(commands, "LARGEST", 1_000_000)
    with pytest.raises(SessionFailed, match="without end"):
        run("yes")


def test_a_container_that_is_killed_meanwhile_is_a_session_that_is_gone(run, container):
    def kill():
        wait_for(lambda: runs(container, "sleep 300"), 60)
        container.kill()

    threading.Thread(target=kill).start()
    with pytest.raises(SessionGone):
        run("sleep", "300", timeout=120.0)
    with pytest.raises(SessionGone):
        run("true")


def test_a_command_that_was_killed_is_an_exit_code(run):
    assert run("sh", "-c", "kill -9 $$").code == 137
