"""Processes that copy for the app: killed ones lose nothing, and none outlives the app."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from launcher.content.copier import PROCESSES, Copier
from tests.waiting import wait_for


@pytest.fixture
def copier():
    copier = Copier()
    copier.start()
    yield copier
    copier.stop()


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(20):
        (source / f"wk{number} ü.ipynb").write_text(str(number) * 1000)
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    return source


def names_and_modes(folder):
    return {path.name: (path.stat().st_mode, path.read_bytes()) for path in folder.iterdir()}


def pids(copier):
    return {process.started.pid for process in copier._idle}


def test_a_process_copies_with_modes_and_owner(copier, source, tmp_path):
    before = pids(copier)
    assert len(before) == PROCESSES
    assert os.getpid() not in before
    for number in range(5):
        copier.copy(str(source), str(tmp_path / f"copy{number}"), (1234, 2345))
        assert names_and_modes(tmp_path / f"copy{number}") == names_and_modes(source)
        found = (tmp_path / f"copy{number}" / "run.sh").stat()
        assert (found.st_uid, found.st_gid) == (1234, 2345)
    assert pids(copier) == before, "the same ones copy again and again"


def test_what_cannot_be_copied_is_the_same_error(copier, source, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(FileExistsError) as caught:
        copier.copy(str(source), str(tmp_path / "there"), None)
    assert caught.value.errno == errno.EEXIST
    copier.copy(str(source), str(tmp_path / "copy"), None)
    assert names_and_modes(tmp_path / "copy") == names_and_modes(source)


def test_a_process_that_was_killed_costs_nobody_a_file(copier, source, tmp_path):
    for process in copier._idle:
        process.started.kill()
        process.started.wait(60)
    for number in range(PROCESSES):
        copier.copy(str(source), str(tmp_path / f"copy{number}"), None)
        assert names_and_modes(tmp_path / f"copy{number}") == names_and_modes(source)
    assert len(pids(copier)) == PROCESSES, "others took their place"
    copier.copy(str(source), str(tmp_path / "last"), None)
    assert names_and_modes(tmp_path / "last") == names_and_modes(source)


def test_one_that_is_killed_in_the_middle_leaves_no_part_of_a_copy(copier, source, tmp_path):
    target = tmp_path / "copy"
    process = copier._idle[-1].started
    os.kill(process.pid, signal.SIGSTOP)
    copying = threading.Thread(
        target=copier.copy, args=(str(source), str(target), None), daemon=True
    )
    copying.start()
    wait_for(lambda: len(pids(copier)) < PROCESSES, 60)
    target.mkdir()  # as far as it came
    (target / "wk0 ü.ipynb").write_text("half")
    process.kill()
    copying.join(60)
    assert not copying.is_alive()
    assert names_and_modes(target) == names_and_modes(source)


def test_more_copies_than_processes_and_none_at_all(copier, source, tmp_path):
    targets = [tmp_path / f"copy{number}" for number in range(4 * PROCESSES)]
    threads = [
        threading.Thread(target=copier.copy, args=(str(source), str(target), None))
        for target in targets
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(names_and_modes(target) == names_and_modes(source) for target in targets)
    Copier().copy(str(source), str(tmp_path / "not started"), None)
    assert names_and_modes(tmp_path / "not started") == names_and_modes(source)


def test_processes_end_with_an_app_that_is_killed():
    code = (
        "import time; from launcher.content.copier import Copier\n"
        "copier = Copier(); copier.start()\n"
        "print(*(one.started.pid for one in copier._idle), flush=True); time.sleep(600)\n"
    )
    app = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    copying = [int(pid) for pid in app.stdout.readline().split()]
    assert len(copying) == PROCESSES
    app.kill()
    app.wait(60)
    app.stdout.close()
    wait_for(lambda: not any(is_copying(pid) for pid in copying), 60)


def is_copying(pid):
    try:
        return b"launcher.content.copier" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_a_stop_ends_them(source, tmp_path):
    copier = Copier()
    copier.start()
    started = [process.started for process in copier._idle]
    copier.stop()
    assert [one.returncode for one in started] == [0] * PROCESSES
    copier.copy(str(source), str(tmp_path / "copy"), None)
    assert names_and_modes(tmp_path / "copy") == names_and_modes(source)
