"""A server that prints for ever fills no disk, and nothing of that ends a session."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from launcher.runtimes.local import server_log
from tests.logged import said_by
from tests.waiting import wait_for

PRINTS = """
block=$(yes "a line of the server" | head -n 50000)
while printf '%s\\n' "$block"; do sleep 0.02; done
"""
"""It has a pace: one that runs free would fill a disk while a test waits for its turn."""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "s.log"


def on_disk(file):
    return file.stat().st_blocks * 512


def test_a_log_is_cut_to_its_end_while_a_server_prints(file):
    with server_log.open_log(file) as log:
        server = subprocess.Popen(["sh", "-c", PRINTS], stdout=log)
    try:
        for _ in range(3):
            wait_for(lambda: file.stat().st_size > server_log.LARGEST + 1_000_000)
            os.kill(server.pid, signal.SIGSTOP)
            os.waitpid(server.pid, os.WUNTRACED)
            server_log.cut(file)
            assert on_disk(file) <= server_log.LARGEST
            assert file.stat().st_size < server_log.LARGEST, "the next line goes to the end"
            assert server_log.last_lines(file, 3).startswith("a line of the server\na line")
            os.kill(server.pid, signal.SIGCONT)
        assert server.poll() is None
    finally:
        server.kill()
        server.wait()


def test_a_log_of_an_ordinary_size_is_left_alone(file):
    file.write_bytes(b"x" * (server_log.LARGEST // 2))
    server_log.cut(file)
    assert file.stat().st_size == server_log.LARGEST // 2


def test_one_whose_writer_does_not_append_takes_no_more_of_the_disk(file):
    with file.open("wb") as log:  # a notebook may change that of what it was given
        for _ in range(3):
            log.write(b"x" * (server_log.LARGEST + 1_000_000))
            log.flush()
            server_log.cut(file)
            assert on_disk(file) <= server_log.LARGEST
    assert server_log.last_lines(file, 1).endswith("xxx")


def test_what_cannot_be_cut_is_logged_and_nothing_fails(tmp_path, file, caplog):
    server_log.cut(file)
    assert not file.exists()
    assert said_by(caplog, "launcher.runtimes.local.server_log") == []
    (tmp_path / "loop.log").symlink_to("loop.log")
    server_log.cut(tmp_path / "loop.log")
    assert "is not cut" in caplog.text
