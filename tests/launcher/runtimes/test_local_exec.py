"""A command of a session: what it says has an end, and what it is told arrives."""

from __future__ import annotations

import io
import os
import time
import tracemalloc
import uuid

import pytest

from launcher.errors import SessionFailed
from launcher.runtimes.base import LARGEST
from launcher.runtimes.local.exec import run_to_its_end
from tests.processes import runs
from tests.waiting import wait_for


def run(*command, stdin=None, timeout=60.0):
    return run_to_its_end(
        command, environment=dict(os.environ), folder=None, stdin=stdin, timeout=timeout
    )


@pytest.mark.parametrize("to", ["1", "2"])
def test_a_command_that_prints_without_end_is_ended_and_fills_no_memory(to):
    mark = uuid.uuid4().hex
    tracemalloc.start()
    try:
        with pytest.raises(SessionFailed, match="without end"):
            run("bash", "-c", f"(exec -a {mark} cat /dev/zero) >&{to}")
        assert tracemalloc.get_traced_memory()[1] < 1.5 * LARGEST
    finally:
        tracemalloc.stop()
    wait_for(lambda: not runs(mark), 60)


def test_input_goes_on_while_output_comes():
    sent = os.urandom(5_000_000)
    done = run("sh", "-c", "tee /dev/stderr", stdin=io.BytesIO(sent))
    assert (done.code, done.out, done.err) == (0, sent, sent)


def test_a_command_that_does_not_want_its_input_ends_as_it_likes():
    done = run("sh", "-c", "echo enough; exit 3", stdin=io.BytesIO(bytes(5_000_000)))
    assert (done.code, done.out) == (3, b"enough\n")
    assert run("cat", stdin=io.BytesIO()).out == b""
    assert run("cat").out == b""


@pytest.mark.parametrize(
    "script", ["exec sleep 600", "exec sleep 600 >&- 2>&-", "while :; do echo x; sleep 0.1; done"]
)
def test_a_command_that_takes_too_long_is_ended_whatever_it_says(script):
    mark, began = uuid.uuid4().hex, time.monotonic()
    with pytest.raises(TimeoutError):
        run("bash", "-c", f": {mark}; (exec -a {mark} sleep 600) & {script}", timeout=0.5)
    assert time.monotonic() - began < 60
    wait_for(lambda: not runs(mark), 60)
