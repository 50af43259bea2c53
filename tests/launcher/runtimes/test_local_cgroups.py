"""Control groups of sessions without an engine: version 1 for real, version 2 by its files."""

from __future__ import annotations

import os
import subprocess
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.local.cgroups import (
    CONTROLLERS,
    Cgroups,
    find_cgroups,
    processes_in,
    settings_of,
)
from launcher.runtimes.local.promises import describe
from launcher.runtimes.local.sandbox import Sandbox
from launcher.runtimes.usage import kills_in, memory_in
from launcher.session import Limits, new_session_id
from tests.waiting import wait_for

pytestmark = pytest.mark.slow
MB = 1024**2
LIMITS = Limits(memory=64 * MB, cpus=0.5, processes=20)


@pytest.fixture
def cgroups():
    found = find_cgroups(uuid.uuid4().hex[:12])
    if len(found.kept) < len(CONTROLLERS):
        pytest.skip(f"control groups cannot be used here: {found.why}")
    yield found
    for one in found.sessions():
        found.remove(one)


@pytest.fixture
def group(cgroups):
    session = new_session_id()
    cgroups.make(session, LIMITS)
    return session


def run(cgroups, session, script, **options):
    command = cgroups.joined(session, ["bash", "-c", script])
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_all_that_a_command_starts_is_in_the_group(cgroups, group):
    said = run(cgroups, group, "(sleep 0; cat /proc/self/cgroup) | cat").stdout
    for folder in cgroups.folders(group):
        assert folder.name in said
    assert said.count(f"/launcher/{cgroups.instance}-{group}") == len(cgroups.folders(group))


def test_a_memory_bomb_is_killed_counted_and_told_apart(cgroups, group):
    folder = cgroups.folder(group, "memory")
    assert kills_in(folder) == 0
    done = run(cgroups, group, "echo before; exec python3 -c 'held = bytearray(900_000_000)'")
    assert (done.returncode, done.stdout) == (-9, "before\n")
    assert kills_in(folder) >= 1
    assert memory_in(folder) < LIMITS.memory


def test_processes_end_at_their_limit(cgroups, group):
    script = "for i in $(seq 60); do sleep 1000 & done 2>/dev/null; jobs -p | wc -l"
    with subprocess.Popen(
        cgroups.joined(group, ["bash", "-c", f"trap 'kill $(jobs -p)' TERM; {script}; wait"]),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        pids = cgroups.folder(group, "pids")
        wait_for(lambda: int((pids / "pids.current").read_text()) >= LIMITS.processes, 60)
        failed = dict(one.split() for one in (pids / "pids.events").read_text().splitlines())
        assert int(failed["max"]) >= 0
        assert int((pids / "pids.max").read_text()) == LIMITS.processes
        assert cgroups.remove(group), "it ends whatever runs"
        assert process.wait(60) == -9


def test_the_cpu_is_held_to_its_share(cgroups):
    """Measured until the kernel had to hold it back, however busy the machine is."""
    group, share = new_session_id(), 0.1
    cgroups.make(group, replace(LIMITS, cpus=share))
    began = time.monotonic()
    hogs = f"for i in $(seq {min(os.cpu_count() or 1, 10)}); do while :; do :; done & done; wait"
    with subprocess.Popen(cgroups.joined(group, ["bash", "-c", hogs])) as process:
        stat = cgroups.folder(group, "cpu") / "cpu.stat"
        wait_for(lambda: value_of(stat, "nr_throttled") >= 5, 600)
        ticks = sum(cpu_ticks(pid) for pid in processes_in(cgroups.folder(group, "cpu")))
        took = time.monotonic() - began
        assert cgroups.remove(group)
        process.wait(60)
    assert ticks / os.sysconf("SC_CLK_TCK") < took * share + 0.3


def value_of(file, name):
    return int(dict(line.split() for line in file.read_text().splitlines())[name])


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def wait_until_in(cgroups, session):
    """Wait until a process has joined all of the session's folders."""
    wait_for(lambda: all(processes_in(folder) for folder in cgroups.folders(session)), 60)


def test_a_group_that_is_removed_is_gone_with_what_ran_in_it(cgroups, group):
    command = cgroups.joined(group, ["setsid", "sleep", "1000"])
    with subprocess.Popen(command) as process:
        wait_until_in(cgroups, group)
        assert cgroups.sessions() == {group}
        assert cgroups.remove(group)
        assert process.wait(60) == -9
    assert cgroups.sessions() == set()
    assert not any(folder.exists() for folder in cgroups.folders(group))
    assert cgroups.remove(group), "one that is gone is fine"
    assert cgroups.joined(group, ["true"]) == ["true"]


def test_another_launcher_s_groups_are_not_ours(cgroups, group):
    other = Cgroups("0" * 12, cgroups.root, cgroups.kept)
    assert group not in other.sessions()


def test_what_a_killed_start_left_is_found_told_and_removed(data_root):
    config = load_config(data=str(data_root / "local-left"), runtime="local")
    runtime = RUNTIMES["local"](config, uuid.uuid4().hex[:12])
    if not runtime.cgroups.kept:
        pytest.skip(runtime.cgroups.why)
    runtime.folder.mkdir(parents=True)
    young, old = new_session_id(), new_session_id()
    for one in (young, old):
        runtime.cgroups.make(one, LIMITS)
    (runtime.folder / f"{young}.log").touch()
    with subprocess.Popen(runtime.cgroups.joined(old, ["sleep", "1000"])) as process:
        wait_until_in(runtime.cgroups, old)
        found = runtime.sweep(older=600, dry_run=True)
        assert found == [f"the control group of session {old}"]
        assert process.poll() is None
        assert runtime.sweep(older=600, dry_run=False) == found
        assert process.wait(60) == -9
    assert runtime.sweep(older=600, dry_run=True) == []
    assert runtime.cgroups.sessions() == {young}
    assert runtime.sweep(older=-1, dry_run=False) != []


# Version 2, whose files a machine with version 1 cannot show: the layout of the kernel's manual.


@pytest.fixture
def unified(tmp_path):
    """A folder as the kernel would show it, with all that `make` writes to."""
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory hugetlb pids rdma\n")
    return Cgroups("abc", tmp_path, tuple(CONTROLLERS))


def test_version_2_has_one_folder_with_all_limits(unified, monkeypatch):
    handed_down = []
    write = Path.write_text

    def written(path, text):
        if path.name == "cgroup.subtree_control":
            handed_down.append((str(path.parent.relative_to(unified.root)), text))
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", written)
    (folder,) = unified.folders("s1")
    folder.mkdir(parents=True)
    for name in ("memory.swap.max", "memory.events", "memory.current", "memory.stat"):
        (folder / name).touch()
    unified.make("s1", LIMITS)
    assert folder == unified.root / "launcher" / "abc-s1"
    assert (folder / "memory.max").read_text() == str(64 * MB)
    assert (folder / "memory.swap.max").read_text() == "0"
    assert (folder / "cpu.max").read_text() == "50000 100000"
    assert (folder / "pids.max").read_text() == "20"
    assert handed_down == [(above, f"+{one}") for one in CONTROLLERS for above in (".", "launcher")]
    assert unified.joined("s1", ["true"])[-4:] == ["join", f"{folder}/cgroup.procs", "--", "true"]
    (folder / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n")
    assert kills_in(folder) == 2
    assert unified.sessions() == {"s1"}


def test_a_kernel_that_does_not_count_swap_still_limits_memory(unified):
    (folder,) = unified.folders("s1")
    unified.make("s1", LIMITS)
    assert not (folder / "memory.swap.max").exists()
    assert (folder / "memory.max").read_text() == str(64 * MB)


@pytest.mark.parametrize("version", [1, 2])
def test_no_limit_writes_nothing(version):
    nothing = Limits(memory=0, cpus=0, processes=0)
    every = [settings_of(one, nothing, unified=version == 2) for one in CONTROLLERS]
    assert every == [{}, {}, {}]


# What is said


def test_a_machine_without_control_groups_is_told_exactly_what_is_not_kept(tmp_path):
    found = find_cgroups("abc", tmp_path / "none")
    assert found.kept == ()
    said = describe(Sandbox(bwrap="/usr/bin/bwrap"), found)
    assert "Kept: processes (counted for each session), the size of /tmp" in said
    assert "Not limited: memory, CPU (control groups: memory: No such file or directory)" in said
    assert "a death for want of memory is not told" in said
    bare = describe(Sandbox(why="bubblewrap is not installed"), found)
    assert "Not limited: memory, CPU, processes, the size of /tmp" in bare


def test_a_machine_with_all_of_them_says_no_more_than_that(cgroups):
    said = describe(Sandbox(bwrap="/usr/bin/bwrap", own_uids=True), cgroups)
    assert "Kept: memory, CPU, processes, the size of /tmp" in said
    assert "Not limited" not in said
    assert "Not walled: sessions share this machine's network" in said
