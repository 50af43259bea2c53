"""Attacks of students and environments on a launcher without an engine."""

from __future__ import annotations

import os
import re
import tracemalloc
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from envs.halt import NO_HALT
from launcher.content.shipping import ask_session
from launcher.errors import SessionFailed
from launcher.runtimes.base import LARGEST
from launcher.runtimes.local.build_steps import BUILD_UID, BuildSteps
from launcher.runtimes.local.cgroups import find_cgroups
from launcher.runtimes.local.sandbox import find_sandbox
from launcher.runtimes.local.sessions import LocalRuntime, uid_of
from launcher.session import Limits, SessionSpec, new_session_id
from launcher.settings.sections import CondaConfig
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

PROGRAMS = ("setpriv", "choom", "prlimit", "env", "sh", "bwrap", "bash")
"""What begins a command of a session, by the names that others can take."""
LIMITS = Limits(memory=256 * 1024**2, cpus=1.0, processes=100)


@pytest.fixture(scope="module")
def sandbox():
    found = find_sandbox()
    if not found.bwrap:
        pytest.skip(found.why)
    return found


@pytest.fixture
def place(tmp_path):
    """An environment whose server only waits."""
    place = tmp_path / "place"
    for folder in ("venv/bin", "repo"):
        (place / folder).mkdir(parents=True)
    server = place / "venv/bin/jupyter-server"
    server.write_text("#!/bin/sh\nenv > ~/.told; mv ~/.told ~/told; sleep 600\n")
    server.chmod(0o755)
    return place


@pytest.fixture
def variables():
    """What the environment's `variables:` set."""
    return {}


@pytest.fixture
def runtime(tmp_path, place, variables, sandbox):
    images = SimpleNamespace(
        place=lambda name: place,
        pythons=lambda name: [],
        variables=lambda name: variables,
        start_file=lambda name: "",
        ca_bundle=None,
    )
    runtime = LocalRuntime(tmp_path / "run", images, sandbox, find_cgroups(uuid.uuid4().hex[:12]))
    yield runtime
    for session in runtime.list():
        runtime.stop(session.id)


@pytest.fixture
def spec(runtime, tmp_path):
    home = tmp_path / "homes/s1/c1"
    spec = SessionSpec(new_session_id(), "s1", "c1", "env/x:1", "l", "t", home, LIMITS)
    runtime.prepare_home(spec)
    return spec


def plant(folder, *seen):
    """Programs of the usual names that tell who ran them, wherever that can be told."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        note = "".join(f"/usr/bin/id -u >> {one} 2>/dev/null\n" for one in seen)
        (folder / name).write_text(f'#!/bin/sh\n{note}exec /usr/bin/{name} "$@"\n')
        (folder / name).chmod(0o755)


def open_file(path):
    """A file that everybody may write to."""
    path.touch()
    path.chmod(0o666)
    return path


def start(runtime, spec):
    runtime.start(spec)
    wait_for((spec.home / "told").exists)
    return dict(one.partition("=")[::2] for one in (spec.home / "told").read_text().splitlines())


def test_a_student_s_own_programs_run_as_the_student_alone(runtime, spec):
    plant(spec.home / ".local/bin", "/home/jovyan/who")
    for folder in (spec.home, spec.home / ".local", spec.home / ".local/bin"):
        folder.chmod(0o755)
    open_file(spec.home / "who")
    start(runtime, spec)
    done = runtime.run(spec.id, ["env", "sh", "-c", "id -u; grep CapEff /proc/self/status"])
    uid, _, caps = done.out.decode().split()
    assert (int(uid), int(caps, 16)) == (uid_of("s1") if not os.geteuid() else os.geteuid(), 0)
    assert set((spec.home / "who").read_text().split()) == {uid}, "theirs come first, as theirs"


def test_an_environment_s_own_programs_run_as_the_student_alone(runtime, spec, place, tmp_path):
    """Neither before the drop in the sandbox nor outside of it, where they would see everything."""
    outside = open_file(tmp_path / "outside")
    plant(place / "venv/bin", "/home/jovyan/who", outside)
    open_file(spec.home / "who")
    start(runtime, spec)
    assert runtime.run(spec.id, ["true"]).code == 0
    assert outside.read_text() == ""
    assert "0" not in (spec.home / "who").read_text().split()


@pytest.mark.parametrize("where", ["/tmp", "outside"])
def test_an_environment_s_variables_reach_no_program_of_the_launcher(
    runtime, spec, variables, where, tmp_path, place
):
    """The dynamic linker obeys them: here it only writes which programs it was in, and as whom."""
    folder = tmp_path / "outside"
    folder.mkdir()
    folder.chmod(0o1777)
    variables |= {"LD_DEBUG": "libs", "GREETING": "hello", "PATH": "/x", "JUPYTER_TOKEN": "x"}
    variables["LD_DEBUG_OUTPUT"] = "/tmp/seen" if where == "/tmp" else f"{folder}/seen"
    server = place / "venv/bin/jupyter-server"
    server.write_text(
        "#!/bin/sh\nstat -c %u /tmp/seen.* > ~/who\nenv > ~/.told; mv ~/.told ~/told; sleep 600\n"
    )
    told = start(runtime, spec)
    assert told["GREETING"] == "hello"
    assert told["PATH"].startswith("/home/jovyan/.local/bin:")
    assert told["JUPYTER_TOKEN"] == "t"
    assert list(folder.iterdir()) == []
    if where == "/tmp":
        assert "0" not in (spec.home / "who").read_text().split()


def test_no_limit_is_lifted_by_a_program_of_the_same_name(runtime, spec, place, sandbox):
    for folder in (spec.home / ".local/bin", place / "venv/bin"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prlimit").write_text('#!/bin/sh\n: > ~/lifted\nshift 2\nexec "$@"\n')
        (folder / "prlimit").chmod(0o755)
    spec.home.chmod(0o777)
    for folder in (spec.home / ".local", spec.home / ".local/bin"):
        folder.chmod(0o755)
    start(runtime, spec)
    assert runtime.run(spec.id, ["sh", "-c", "ulimit -c"]).out == b"0\n"
    assert not (spec.home / "lifted").exists()


def test_a_python_that_prints_without_end_ends_the_pull_and_fills_no_memory(runtime, spec, place):
    (place / "venv/bin/python3").write_text("#!/bin/sh\nexec head -c 200M /dev/zero\n")
    (place / "venv/bin/python3").chmod(0o755)
    start(runtime, spec)
    tracemalloc.start()
    try:
        with pytest.raises(SessionFailed, match="without end"):
            ask_session(runtime, spec.id, {"folder": "course"}, [])
        assert tracemalloc.get_traced_memory()[1] < 1.5 * LARGEST
    finally:
        tracemalloc.stop()
    assert runtime.run(spec.id, ["echo", "still"]).out == b"still\n"


def test_a_log_that_a_session_filled_is_read_from_its_end(runtime, spec):
    start(runtime, spec)
    log = runtime.folder / f"{spec.id}.log"
    log.write_bytes(b"x" * 50_000_000 + b"\nthe end\n")
    tracemalloc.start()
    try:
        assert runtime.logs(spec.id, lines=1) == "the end"
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_build_s_own_programs_run_as_the_build_alone(tmp_path, place, sandbox):
    plant(place / "venv/bin", f"{place}/who")
    open_file(place / "who")
    for folder in ("home", "cache"):
        (tmp_path / folder).mkdir()
    if sandbox.own_uids:
        for folder in (tmp_path / "home", place):
            os.chown(folder, BUILD_UID, BUILD_UID)
    steps = BuildSteps(
        tmp_path,
        tmp_path / "cache",
        sandbox,
        CondaConfig(alias="", channels={}),
        python=Path("/usr/bin/python3"),
        index_url="",
        ca_bundle=None,
    )
    said = []
    step = ["env", "sh", "-c", "id -u; grep CapEff /proc/self/status"]
    steps.run(step, place, tmp_path / "home", said.append, NO_HALT)
    assert int(said[0]) == (BUILD_UID if sandbox.own_uids else os.geteuid())
    assert int(said[1].split()[1], 16) == 0
    assert set((place / "who").read_text().split()) == {said[0]}


def test_root_without_setpriv_starts_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("launcher.runtimes.local.sandbox.SETPRIV", str(tmp_path / "setpriv"))
    found = find_sandbox()
    assert (found.bwrap, found.own_uids) == ("", True)
    said = LocalRuntime(tmp_path, SimpleNamespace(), found, find_cgroups("x", tmp_path)).health()
    assert re.match(r"there is no .*setpriv \(package util-linux\)\. Root needs it", said)
