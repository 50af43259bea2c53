"""The tests' own launcher leaves no process behind, however its test ends."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.e2e import conftest
from tests.e2e.conftest import make_box

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def box(tmp_path):
    """A machine whose launcher and gateway only sleep."""
    box = make_box(tmp_path, "local")
    box.data.mkdir()
    (box.data / "run").mkdir()
    box.log = box.data.with_suffix(".log").open("ab")
    box.process = subprocess.Popen([sys.executable, "-c", SLEEP], stdout=subprocess.PIPE)
    box.gateway = subprocess.Popen([sys.executable, "-c", SLEEP, "--data", str(box.data)])
    (box.data / "run" / "gateway").write_text(f"1 1 {box.gateway.pid} mark")
    yield box
    for process in (box.process, box.gateway):
        process.kill()
        process.wait(60)
    box.git.stop()


def test_where_sessions_cannot_be_stopped_launcher_and_gateway_end_all_the_same(box):
    def broken(*_):
        raise AssertionError("the engine is away")

    box.cli = broken
    with pytest.raises(AssertionError, match="away"):
        box.end()
    assert box.process.poll() is not None
    assert box.gateway.wait(60) != 0


def test_a_gateway_of_another_launcher_is_left_alone(box):
    box.cli = print
    (box.data / "run" / "gateway").write_text(f"1 1 {box.process.pid} mark")
    box.end()
    assert box.gateway.poll() is None


def test_a_launcher_that_never_answers_is_ended(box, monkeypatch, tmp_path):
    box.process.kill()
    box.process.wait(60)
    box.process.stdout.close()
    box.log.close()
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\nexec sleep 60\n")
    silent.chmod(0o755)
    monkeypatch.setattr(conftest.sys, "executable", str(silent))
    monkeypatch.setattr(conftest, "START", 0.3)
    began = time.monotonic()
    with pytest.raises(AssertionError):
        box.start()
    assert time.monotonic() - began < 30
    assert box.process.poll() is not None
