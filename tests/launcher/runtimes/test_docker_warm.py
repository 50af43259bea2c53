"""A student's folder appears in a container that already runs; nothing is lost, nothing is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from launcher.config import load_config
from launcher.errors import SessionFailed
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker import mounts, warm
from launcher.runtimes.docker.slots import Slots
from launcher.session import Limits, SessionSpec, new_session_id
from launcher.sessions.server import ask_status
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
]
NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture(scope="module")
def config(data_root):
    return load_config(data=str(data_root / "warm"), runtime="docker")


@pytest.fixture(scope="module")
def runtime(config):
    before = mounts.MOUNTS.read_text()
    runtime = RUNTIMES["docker"](config, uuid.uuid4().hex[:12])
    yield runtime
    runtime.warm.sweep(list, unfinished=0)
    for session in runtime.list():
        runtime.stop(session.id)
    ours = [one for one in mounts.mount_points() if one.startswith(str(config.data))]
    assert ours == [], before


@pytest.fixture(scope="module")
def image(runtime):
    return runtime.images.bases.ensure("3.11", say=print).name


@pytest.fixture(scope="module")
def warm_session(runtime, image):
    """Starts a session of nobody and waits until it answers."""

    def make(image=image):
        session_id = new_session_id()
        spec = SessionSpec(
            id=session_id,
            owner="",
            course="",
            image=image,
            link="",
            token=f"token-{session_id}",
            home=Path("/nowhere"),
            limits=Limits(memory=512 * 1024**2, cpus=1.0, processes=100),
        )
        session = runtime.warm.start(spec)
        wait_for_answer(session, spec)
        return spec

    return make


def wait_for_answer(session, spec):
    status = f"{spec.base_url}api/status"
    wait_for(lambda: ask_status(session.address, status, spec.token) is not None, 180)


def of_student(config, spec, owner="s1", course="c1"):
    home = config.data / "homes" / owner / course
    return replace(spec, owner=owner, course=course, link="/launch?env=x", home=home)


def give(runtime, spec):
    assert runtime.warm.settle(spec.id) is None
    assert runtime.warm.claim(spec)
    runtime.prepare_home(spec)
    return runtime.warm.attach(spec)


@pytest.fixture(scope="module")
def given(runtime, config, warm_session):
    """A session that was warm, and is a student's who had a file already."""
    spec = of_student(config, warm_session())
    runtime.prepare_home(spec)
    (spec.home / "before.txt").write_text("from the host")
    return spec, give(runtime, spec)


def ask(session, spec, path, *, method="GET", body=None):
    headers = {"Authorization": f"token {spec.token}"}
    url = f"{session.address}{spec.base_url}api/{path}"
    return requests.request(method, url, headers=headers, json=body, timeout=60)


def test_nothing_of_anybody_is_in_a_warm_one_and_nobody_s_list_has_it(runtime, warm_session):
    spec = warm_session()
    assert [one.id for one in runtime.warm.list()] == [spec.id]
    assert runtime.list() == []
    assert runtime.find(spec.id) is None
    assert ask(runtime.warm.list()[0], spec, "contents").json()["content"] == []
    runtime.stop(spec.id)
    assert runtime.warm.list() == []


def test_one_of_an_image_that_was_built_again_under_its_name_is_outdated(
    runtime, image, warm_session, config
):
    name = f"launcher-test-{uuid.uuid4().hex[:12]}:v1"
    there = runtime.client.images.get(image)
    there.tag(name)
    try:
        old, given = warm_session(name), of_student(config, warm_session(name), course="outdated")
        give(runtime, given)
        same = warm_session()
        assert runtime.warm.outdated() == set()
        container = runtime.client.containers.create(image, labels={"launcher.test": "yes"})
        container.commit(*name.split(":"))
        container.remove()
        assert runtime.warm.outdated() == {old.id}, "and what a student has is theirs"
        new = warm_session(name)
        assert runtime.warm.outdated() == {old.id}
        for one in (old, given, same, new):
            runtime.stop(one.id)
    finally:
        runtime.client.images.remove(name, force=True)


def test_the_student_s_files_are_seen_inside_and_outside(runtime, given):
    spec, session = given
    assert session.answered
    found = ask(session, spec, "contents/before.txt").json()
    assert found["content"] == "from the host"
    body = {"type": "file", "format": "text", "content": "mine"}
    assert ask(session, spec, "contents/mine.txt", method="PUT", body=body).status_code == 201
    assert (spec.home / "mine.txt").read_text() == "mine"
    assert (spec.home / "mine.txt").stat().st_uid == 1000
    done = runtime.run(spec.id, ["sh", "-c", "pwd; cat before.txt"])
    assert done.out == b"/home/jovyan\nfrom the host"


def test_kernels_and_terminals_begin_in_the_student_s_folder(runtime, given):
    spec, session = given
    body = {"type": "notebook", "format": "json", "content": NOTEBOOK}
    (spec.home / "week").mkdir()
    os.chown(spec.home / "week", 1000, 1000)
    ask(session, spec, "contents/week/a.ipynb", method="PUT", body=body)
    asked = {"path": "week/a.ipynb", "type": "notebook", "name": "", "kernel": {"name": "python3"}}
    assert ask(session, spec, "sessions", method="POST", body=asked).status_code == 201
    assert ask(session, spec, "terminals", method="POST", body={}).status_code == 200
    body = {"cwd": "week"}
    assert ask(session, spec, "terminals", method="POST", body=body).status_code == 200

    def all_work_there():
        said = runtime.run(spec.id, ["sh", "-c", "readlink /proc/[0-9]*/cwd"]).out.split()
        return said.count(b"/home/jovyan/week") >= 2 and b"/home/jovyan" in said

    wait_for(all_work_there, 60)


def test_a_kernel_that_a_program_starts_without_a_path_begins_there_too(runtime, given):
    spec, session = given
    assert ask(session, spec, "kernels", method="POST", body={}).status_code == 201
    script = """for one in /proc/[0-9]*; do
      grep -q ipykernel_launcher "$one/cmdline" 2>/dev/null && readlink "$one/cwd"
    done; true"""

    def begins_there():
        said = runtime.run(spec.id, ["sh", "-c", script]).out.split()
        return b"/home/jovyan" in said and b"/" not in said

    wait_for(begins_there, 60)


def test_what_jupyter_keeps_for_a_student_is_in_their_folder(given):
    spec, session = given
    body = {"type": "notebook", "format": "json", "content": NOTEBOOK}
    ask(session, spec, "contents/trusted.ipynb", method="PUT", body=body)
    assert ask(session, spec, "contents/trusted.ipynb/trust", method="POST").status_code == 201
    assert (spec.home / ".local/share/jupyter/nbsignatures.db").stat().st_uid == 1000


def test_a_launcher_that_was_started_again_knows_whose_it_is(runtime, config, given):
    spec, session = given
    other = RUNTIMES["docker"](config, runtime.instance)
    found = other.find(spec.id)
    assert (found.owner, found.course, found.link) == ("s1", "c1", "/launch?env=x")
    assert (found.address, found.running) == (session.address, True)
    assert [one.id for one in other.list("s1")] == [one.id for one in other.list()] == [spec.id]
    assert other.list("s2") == []
    other.warm.sweep(list, unfinished=0)
    assert other.warm.is_attached(spec)
    assert ask(session, spec, "contents/before.txt").status_code == 200


def test_a_session_is_claimed_once(runtime, config, given):
    spec, _ = given
    assert not runtime.warm.claim(of_student(config, spec, owner="s2"))
    assert runtime.find(spec.id).owner == "s1"


def test_one_that_a_student_has_is_never_settled_again(runtime, given):
    spec, session = given
    assert runtime.warm.settle(spec.id) == "somebody has it already"
    body = {"type": "file", "format": "text", "content": "mine"}
    assert ask(session, spec, "contents/on.txt", method="PUT", body=body).status_code == 201


def test_a_folder_that_vanished_takes_no_writing_and_is_attached_again(runtime, config, given):
    spec, session = given
    mounts.unmount(config.data / "slots" / spec.id)
    body = {"type": "file", "format": "text", "content": "lost?"}
    refused = ask(session, spec, "contents/late.txt", method="PUT", body=body)
    assert refused.status_code >= 400, "a file was written where nobody finds it"
    assert runtime.warm.is_attached(spec)
    assert ask(session, spec, "contents/late.txt", method="PUT", body=body).status_code == 201
    assert (spec.home / "late.txt").read_text() == "lost?"


def test_a_launcher_killed_between_claim_and_attach_leaves_no_orphan(runtime, config, warm_session):
    spec = of_student(config, warm_session(), owner="s3")
    assert runtime.warm.settle(spec.id) is None
    assert runtime.warm.claim(spec)
    runtime.prepare_home(spec)
    (spec.home / "work.txt").write_text("mine")
    other = RUNTIMES["docker"](config, runtime.instance)  # the one that is started next
    assert other.list("s3") == []
    other.warm.sweep(list, unfinished=3600)
    assert other.container(spec.id), "its launch may still be under way"
    other.warm.sweep(list, unfinished=0)
    assert other.container(spec.id) is None
    assert spec.id not in other.warm.slots.known()
    assert (spec.home / "work.txt").read_text() == "mine"


def test_a_slot_whose_container_is_gone_is_cleared(runtime, config, warm_session):
    spec = of_student(config, warm_session(), owner="s4")
    give(runtime, spec)
    (spec.home / "work.txt").write_text("mine")
    runtime.container(spec.id).remove(force=True)
    runtime.warm.sweep(list, unfinished=0)
    assert spec.id not in runtime.warm.slots.known()
    assert not any(spec.id in one for one in mounts.mount_points())
    assert (spec.home / "work.txt").read_text() == "mine"


def test_a_container_that_died_is_not_given_out(runtime, config, warm_session):
    spec = of_student(config, warm_session(), owner="s5")
    assert runtime.warm.settle(spec.id) is None
    runtime.container(spec.id).kill()
    assert runtime.warm.claim(spec)
    runtime.prepare_home(spec)
    with pytest.raises(SessionFailed, match="did not appear"):
        runtime.warm.attach(spec)
    assert runtime.find(spec.id) is None
    runtime.stop(spec.id)
    assert spec.id not in runtime.warm.slots.known()


def test_one_that_left_something_in_its_home_is_not_given_out(runtime, warm_session):
    spec = warm_session()
    runtime.run(spec.id, ["sh", "-c", "echo x > .netrc"])
    assert "'.netrc'" in runtime.warm.settle(spec.id)
    runtime.stop(spec.id)


def test_one_whose_process_works_in_its_home_is_not_given_out(runtime, warm_session):
    spec = warm_session()
    container = runtime.container(spec.id)
    container.exec_run(["sleep", "987"], workdir="/home/jovyan", detach=True)
    wait_for(lambda: "sleep 987" in str(container.top()["Processes"]))
    assert "works in its home" in runtime.warm.settle(spec.id)
    runtime.stop(spec.id)


LOOK = """
import docker
from launcher.runtimes.docker.warm import unseen
print(unseen(docker.from_env()))
"""


def test_a_launcher_that_does_not_see_the_engine_s_processes_says_so(runtime, warm_session):
    """As in a container without `pid: host`, and in one without CAP_SYS_PTRACE."""
    spec = warm_session()
    assert runtime.warm.why_not() is None
    own_processes = ["unshare", "--pid", "--mount-proc", "--fork"]
    no_capability = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
    for way, why in ((own_processes, "does not see"), (no_capability, "may not look")):
        said = subprocess.check_output([*way, sys.executable, "-c", LOOK], text=True)
        assert why in said
        assert "`pid: host`" in said
    runtime.stop(spec.id)


def test_a_launcher_that_has_not_seen_a_container_starts_none_to_look_again(runtime, monkeypatch):
    """What failed otherwise is looked at again; this would need a container each time."""
    blind, pause = replace(runtime.warm), replace(runtime.warm)
    monkeypatch.setattr(warm, "unseen", lambda client: "it does not see")
    assert blind.why_not() == "it does not see"
    monkeypatch.setattr(warm, "unseen", lambda client: None)
    assert blind.why_not() == "it does not see"
    monkeypatch.setattr(Slots, "why_not", lambda slots: "too many open files")
    assert pause.why_not() == "too many open files"
    monkeypatch.undo()
    assert pause.why_not() is None


def test_stopping_leaves_the_work_and_takes_every_mount(runtime, given):
    spec, _ = given
    runtime.stop(spec.id)
    assert not any(spec.id in one for one in mounts.mount_points())
    assert spec.id not in runtime.warm.slots.known()
    assert json.loads((spec.home / "trusted.ipynb").read_text())["cells"] == []
    assert runtime.list() == []
