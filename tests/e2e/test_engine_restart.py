"""The engine stands still, and is restarted, while a class clicks: everybody works again."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import yaml

from launcher.config import load_config
from launcher.rehearsal.click import Click
from launcher.runtimes import RUNTIMES
from tests.e2e import small_server
from tests.e2e.conftest import make_box
from tests.e2e.scratch_engine import ScratchEngine, own_network
from tests.e2e.test_attacks import Watch
from tests.git_server import Repo
from tests.processes import Process
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts engines"),
    pytest.mark.skipif(not shutil.which("dockerd"), reason="dockerd is not installed"),
]
STUDENTS = 8


@pytest.fixture(scope="module")
def box(data_root):
    root = data_root / "engine-restart"
    root.mkdir()
    began = time.monotonic()
    base = base_name(root / "look")
    with own_network(), pytest.MonkeyPatch.context() as patch:
        engine = ScratchEngine(root / "engine")
        engine.start()
        engine.wait()
        engine.copy(base)
        patch.setenv("DOCKER_HOST", engine.host)
        box = make_box(root, "docker")
        Repo.create(box.git.root / "small", small_server.environment(), tag="v1")
        catalogue = {"small": {"repo": box.git.url("small"), "tag": "v1", "warm": 2}}
        settings = yaml.safe_load(box.settings.read_text())
        settings["environments"] |= {"catalogue": catalogue}
        box.settings.write_text(yaml.safe_dump(settings))
        box.engine = engine
        try:
            box.students = [Student(box) for _ in range(STUDENTS)]
            box.start()
            print(f"\n[engine] ready after {time.monotonic() - began:.0f} s")
            yield box
        finally:
            if engine.process.poll() is None:
                engine.signal(signal.SIGCONT)
            for one in box.students:
                one.click.browser.close()
            try:
                box.end(log="engine-restart")
            finally:
                engine.remove()
    shutil.rmtree(root)


def base_name(folder):
    runtime = RUNTIMES["docker"](load_config(data=str(folder), runtime="docker"), "look")
    with contextlib.closing(runtime.client):
        return runtime.images.bases.ensure("3.11", say=print).name


@dataclass
class Student:
    """Clicks, and clicks again where a page says that it failed, until the files are there."""

    box: object
    click: Click = field(default_factory=Click)
    said: list = field(default_factory=list)
    errors: list = field(default_factory=list)

    def launch(self, seconds=300):
        """The session's address, however often it takes."""
        http, deadline = self.click.browser, time.monotonic() + seconds
        while True:
            answer = http.get(self.box.link(env="small"), headers=JSON, timeout=30)
            while True:
                assert answer.status_code < 500, answer.text
                said = answer.json()
                if said["url"] or said["error"]:
                    break
                assert time.monotonic() < deadline, said
                time.sleep(0.3)
                answer = http.get(f"{self.box.url}/api/launches/{said['id']}", timeout=30)
            if said["url"]:
                self.click.url = said["url"]
                if self.read() is not None:
                    return said["url"]
                self.errors.append({"code": "E-GONE", "message": "it ended at once"})
            else:
                self.errors.append(said["error"])
            assert time.monotonic() < deadline, self.errors
            time.sleep(0.5)

    def read(self):
        """What the session says of the student's file; None while it does not answer."""
        where = f"{self.click.session_url}api/contents/course/mine.txt"
        answer = self.click.browser.get(where, timeout=30)
        return answer.json().get("content", "") if answer.status_code in (200, 404) else None

    def save(self):
        where = f"{self.click.session_url}api/contents/course/mine.txt"
        body = json.dumps({"type": "file", "format": "text", "content": f"of {id(self)}"})
        assert self.click.browser.put(where, data=body, timeout=30).status_code == 201

    def has_work(self):
        return self.read() == f"of {id(self)}"

    def stop(self):
        own = self.click.browser.get(f"{self.box.url}/api/sessions", timeout=30).json()
        for one in own["sessions"]:
            where = f"{self.box.url}/sessions/{one['id']}/stop"
            gone = self.click.browser.post(where, {"csrf": own["csrf"]}, timeout=60)
            assert gone.status_code == 200


JSON = {"Accept": "application/json"}
GONE_AND_BACK = ["The Docker engine does not answer", "The Docker engine answers again."]


def all_launch(box, meanwhile):
    """All click at once; `meanwhile` happens to the engine in the middle of that."""
    watch = Watch(box.url)
    watch.start()
    for one in box.students:
        one.errors.clear()
    with ThreadPoolExecutor(STUDENTS) as pool:
        under_way = [pool.submit(one.launch) for one in box.students]
        time.sleep(0.4)
        meanwhile()
        urls = [one.result() for one in under_way]
    watch.ended.set()
    watch.join()
    assert watch.wrong == []
    errors = [error for one in box.students for error in one.errors]
    print(f"[engine] {len(errors)} launches failed:", {(e["code"], e["message"]) for e in errors})
    for error in errors:
        assert error["code"] in ("E-RUNTIME", "E-SESSION", "E-GONE"), error
    return urls


def in_order(box):
    """Everybody has one session with their files, and nothing else is left."""
    for one in box.students:
        assert one.has_work()
    rows = box.cli("session", "list")
    assert sorted(row["running"] for row in rows) == [True] * STUDENTS, rows
    assert len({row["owner"] for row in rows}) == STUDENTS
    running = ["running"] * (STUDENTS + 2)
    wait_for(lambda: [one.status for one in containers(box)] == running, 120, every=0.5)
    wait_for(box.is_ready, 120)
    found = {row["name"]: row for row in box.cli("doctor", code=None)}
    assert found["walls"]["ok"], found["walls"]


def containers(box):
    with contextlib.closing(box.engine.client()) as client:
        return client.containers.list(
            all=True, filters={"label": "launcher.session"}, ignore_removed=True
        )


@pytest.fixture(scope="module")
def at_work(box):
    """Eight students with a file each; half of them have a session."""
    with ThreadPoolExecutor(STUDENTS) as pool:
        list(pool.map(Student.launch, box.students))
        list(pool.map(Student.save, box.students))
        list(pool.map(Student.stop, box.students[::2]))
    wait_for(lambda: len(containers(box)) == STUDENTS // 2 + 2, 180, every=0.5)
    box.threads = Process.of(box.process.pid).threads
    return box


def no_thread_is_stuck(box):
    wait_for(lambda: Process.of(box.process.pid).threads <= box.threads + 8, 120)


def test_an_engine_that_stands_still_for_five_seconds_costs_nobody_a_session(at_work):
    box, began = at_work, time.monotonic()
    before = [one.click.url for one in box.students[1::2]]

    def stand_still():
        box.engine.signal(signal.SIGSTOP)
        threading.Timer(5, box.engine.signal, [signal.SIGCONT]).start()

    urls = all_launch(box, stand_still)
    assert urls[1::2] == before, "what ran goes on"
    in_order(box)
    no_thread_is_stuck(box)
    print(f"[engine] standing still: {time.monotonic() - began:.0f} s")


def test_an_engine_that_is_restarted_while_a_class_clicks(at_work):
    box, began = at_work, time.monotonic()
    with ThreadPoolExecutor(STUDENTS) as pool:
        list(pool.map(Student.stop, box.students[::2]))
    log = len(box.log_text())

    def restart():
        box.engine.stop()
        time.sleep(3)
        box.engine.start()

    all_launch(box, restart)
    with ThreadPoolExecutor(STUDENTS) as pool:  # who was in before the engine ended clicks again
        list(pool.map(Student.launch, box.students))
    in_order(box)
    no_thread_is_stuck(box)
    said = [json.loads(line) for line in box.log_text()[log:].splitlines() if line[:1] == "{"]
    engine = [one["message"] for one in said if one["logger"].endswith("docker.api")]
    told = [one.partition(". ")[0] for one in engine]
    assert told, "it was away"
    assert told == GONE_AND_BACK * (len(told) // 2), engine
    assert not [one for one in said if "traceback" in one]
    print(f"[engine] restarted: {time.monotonic() - began:.0f} s")
