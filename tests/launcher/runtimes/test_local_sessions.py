"""A session's process and its row: both, or neither."""

from __future__ import annotations

import errno
import os
import tempfile
import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest

from launcher.runtimes.local.cgroups import find_cgroups
from launcher.runtimes.local.sandbox import Sandbox
from launcher.runtimes.local.server_log import LARGEST
from launcher.runtimes.local.sessions import LocalRuntime
from launcher.session import Limits, SessionSpec, new_session_id
from tests.processes import runs
from tests.waiting import wait_for


@pytest.fixture
def server(tmp_path):
    """A program in the place of Jupyter's server, which starts another one."""
    server = tmp_path / "image/venv/bin/jupyter-server"
    server.parent.mkdir(parents=True)
    server.write_text("#!/bin/sh\nsleep 600 &\nwait\n")
    server.chmod(0o755)
    return server


@pytest.fixture
def runtime(tmp_path, server):
    images = SimpleNamespace(
        place=lambda name: server.parents[2],
        pythons=lambda name: [],
        variables=lambda name: {},
        start_file=lambda name: "",
        ca_bundle=None,
    )
    cgroups = find_cgroups(uuid.uuid4().hex[:12])
    runtime = LocalRuntime(tmp_path / "local", images, Sandbox(), cgroups)
    yield runtime
    for session in runtime.list():
        runtime.stop(session.id)


@pytest.fixture
def spec(runtime, tmp_path):
    limits = Limits(memory=256 * 1024**2, cpus=1.0, processes=100)
    home = tmp_path / "homes/s1/c1"
    spec = SessionSpec(new_session_id(), "s1", "c1", "env/x:1", "l", "t", home, limits)
    runtime.prepare_home(spec)
    return spec


def test_a_session_is_known_by_its_row_until_it_is_stopped(runtime, spec, server):
    assert runtime.start(spec).running
    wait_for(lambda: runs(f"/bin/sh {server}"))
    assert [one.id for one in runtime.list("s1")] == [spec.id]
    runtime.stop(spec.id)
    assert not runs(f"/bin/sh {server}")
    assert list(runtime.folder.iterdir()) == []
    assert runtime.cgroups.sessions() == set()


@pytest.mark.parametrize(("module", "name"), [(tempfile, "mkstemp"), (os, "replace")])
def test_a_session_whose_row_cannot_be_written_does_not_go_on_unknown(
    runtime, spec, server, monkeypatch, module, name
):
    def full(*_, **__):
        wait_for(lambda: runs(f"/bin/sh {server}"))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, name, full)
        with pytest.raises(OSError, match="No space"):
            runtime.start(spec)
    assert not runs(f"/bin/sh {server}")
    assert list(runtime.folder.iterdir()) == []
    assert runtime.cgroups.sessions() == set()


def test_root_without_bubblewrap_is_told_at_once_and_anybody_else_goes_on(runtime):
    """Users of their own would come into no folder, and the first build would fail."""
    assert runtime.health() is None
    sandbox = Sandbox(own_uids=True, why="bubblewrap is not installed")
    said = replace(runtime, sandbox=sandbox).health()
    assert said.startswith("bubblewrap is not installed. Root needs it")
    assert "as another user" in said
    assert replace(runtime, sandbox=replace(sandbox, bwrap="/usr/bin/bwrap")).health() is None


def test_a_server_that_prints_for_ever_runs_on_with_a_log_of_some_size(runtime, spec, server):
    pace = "while yes | head -c 1000000; do sleep 0.02; done"
    server.write_text(f"#!/bin/sh\n{pace}\n")
    runtime.start(spec)
    log = runtime.folder / f"{spec.id}.log"
    for _ in range(2):
        wait_for(lambda: log.stat().st_blocks * 512 > LARGEST)
        runtime.cut_logs()
        assert runtime.find(spec.id).running
    runtime.stop(spec.id)
    runtime.cut_logs()
    assert not log.exists()
