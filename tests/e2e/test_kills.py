"""Processes are killed at random moments while twenty students click and save: nothing is lost.

The moments are drawn from a seed that a failure prints. LAUNCHER_KILLS asks for so many kills of
each process, LAUNCHER_SEED for the same moments again.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import random
import signal
import threading
import time

import docker
import pytest
import requests
import yaml

from launcher.database import Database
from launcher.people.identity import instance_of, load_secret
from launcher.rehearsal.click import Click, ClickFailed
from tests.e2e.conftest import make_box
from tests.waiting import wait_for

pytestmark = [pytest.mark.docker, pytest.mark.flaky(reruns=0)]
"""What a kill at random loses once is lost: a second try says nothing."""
KILLS = int(os.environ.get("LAUNCHER_KILLS", "4"))
SEED = int(os.environ.get("LAUNCHER_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
STUDENTS = 20
WARM = 4
PATIENCE = 120.0
"""Seconds after the last kill within which a student is in their notebook again, whatever it was:
who is unlucky among fifty kills of each waits as long as those go on."""


@dataclasses.dataclass
class Student:
    """Clicks, saves, and remembers what the server said was saved."""

    box: object
    number: int
    browser: Click = dataclasses.field(default_factory=Click)
    saved: dict[str, str] = dataclasses.field(default_factory=dict)
    rounds: int = 0
    said: list[str] = dataclasses.field(default_factory=list)
    """The sentences of launches that failed."""
    owner: str = ""

    def click(self, *, patience: float = PATIENCE) -> None:
        """Click until the notebook is there, as a student would."""
        began = time.monotonic()
        while True:
            try:
                self.browser.open(self.box.link(env="course"), lambda line: None, timeout=patience)
                assert self.browser.notebook("course/week1.ipynb")["cells"]
                return
            except (ClickFailed, requests.RequestException, KeyError) as error:
                self.said.append(str(error))
                waited = time.monotonic() - max(began, self.box.last_kill)
                assert waited < patience, f"student {self.number}: {self.said[-5:]}"
                time.sleep(0.2)

    def save(self) -> None:
        """Save a file; what was acknowledged must be there for ever."""
        name, text = f"work{len(self.saved)}.txt", f"{self.number} {random.random()}"
        body = json.dumps({"type": "file", "format": "text", "content": text})
        url = f"{self.browser.session_url}api/contents/course/{name}"
        with contextlib.suppress(requests.RequestException):
            if self.browser.browser.put(url, data=body, timeout=10).status_code == 201:
                self.saved[name] = text

    def stop(self) -> None:
        """Stop the own session, so that the next click starts one."""
        with contextlib.suppress(requests.RequestException):
            url = f"{self.browser.session_url}api/shutdown"
            headers = {"Origin": self.box.url}
            self.browser.browser.post(url, headers=headers, timeout=5)

    def live(self, over: threading.Event, dice: random.Random) -> None:
        while not over.is_set():
            self.click()
            self.save()
            self.rounds += 1
            if dice.random() < 0.3:
                self.stop()
            over.wait(8 * dice.random())


@dataclasses.dataclass
class Storm:
    """Students who do not stop, and whoever kills."""

    box: object
    engine: docker.DockerClient
    dice: random.Random
    over: threading.Event = dataclasses.field(default_factory=threading.Event)
    wrong: list[BaseException] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self.instance = instance_of(load_secret(self.box.data), self.box.data)
        self.students = [Student(self.box, number) for number in range(STUDENTS)]
        self.threads = [
            threading.Thread(target=self._live, args=(one, random.Random(self.dice.random())))
            for one in self.students
        ]

    def _live(self, student, dice):
        try:
            student.live(self.over, dice)
        except BaseException as error:
            self.wrong.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(PATIENCE + 10)
        assert not any(thread.is_alive() for thread in self.threads)

    def containers(self):
        """Those of this box on the engine, of students and warm."""
        return self.engine.containers.list(
            filters={"label": f"launcher.instance={self.instance}"}, ignore_removed=True
        )

    def kill(self, what):
        self.box.last_kill = time.monotonic()
        if what == "app":
            self.box.stop(signal.SIGKILL)
            self.box.start()
        elif what == "gateway":
            file = self.box.data / "run" / "gateway"
            wait_for(file.exists)  # it is away while one starts
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(int(file.read_text().split()[2]), signal.SIGKILL)
        elif found := self.containers():
            with contextlib.suppress(docker.errors.APIError):
                self.dice.choice(found).kill()


@pytest.fixture(scope="module")
def storm(data_root):
    root = data_root / "kills"
    root.mkdir()
    box = make_box(root, "docker")
    box.last_kill = 0.0
    settings = yaml.safe_load(box.settings.read_text())
    course = {"repo": box.git.url("env"), "tag": "v1", "warm": WARM}
    settings["environments"] |= {"catalogue": {"course": course}, "tag_life": "60s"}
    settings["capacity"] = {"reserve": "128M"}
    box.settings.write_text(yaml.safe_dump(settings))
    box.cli("env", "build", "course")
    with box.running(log="kills"), contextlib.closing(docker.from_env()) as engine:
        yield Storm(box, engine, random.Random(SEED))
    box.clean()


def test_kills_at_random_moments_lose_no_work_and_leave_nothing(storm, capsys):
    kinds = ["app", "gateway", "container"] * KILLS
    storm.dice.shuffle(kinds)
    with storm:
        for what in kinds:
            time.sleep(storm.dice.random())
            storm.kill(what)
            assert not storm.wrong, (SEED, storm.wrong)
            check_now(storm)
    assert not storm.wrong, (SEED, storm.wrong)
    for student in storm.students:
        student.click()
    check_at_the_end(storm)
    rounds = sum(one.rounds for one in storm.students)
    saved = sum(len(one.saved) for one in storm.students)
    with capsys.disabled():
        print(f"\nseed {SEED}: {len(kinds)} kills, {rounds} rounds, {saved} files kept")


def check_now(storm):
    """What holds at any moment."""
    assert Database.of(storm.box.data).check() is None, SEED
    for notebook in (storm.box.data / "homes").glob("*/*/course/week1.ipynb"):
        assert json.loads(notebook.read_text())["cells"], (SEED, notebook)
    owners = collections.Counter(claim["owner"] for claim in claims_of(storm))
    assert owners.total() < STUDENTS * 3, (SEED, owners)


def claims_of(storm):
    """The claims of slots, but for those that go meanwhile."""
    for place in (storm.box.data / "slots").glob("*.claim"):
        with contextlib.suppress(FileNotFoundError):
            yield json.loads(place.read_text())


def check_at_the_end(storm):
    def settled():
        rows = storm.box.cli("session", "list")
        found = storm.containers()
        here = {one.labels["launcher.session"] for one in found}
        warm = {one.labels["launcher.session"] for one in found if not one.labels["launcher.owner"]}
        mine = {row["id"] for row in rows if row["running"]}
        slots = {one.name for one in (storm.box.data / "slots").iterdir() if one.is_dir()}
        owners = [(row["owner"], row["course"]) for row in rows]
        return (
            len(set(owners)) == len(owners) >= STUDENTS  # some never got their first cookie
            and all(row["running"] for row in rows)
            and here == mine | warm
            and slots <= here
        )

    try:
        wait_for(settled, 180, every=1)
    except AssertionError as error:
        left = {one.labels["launcher.session"]: one.status for one in storm.containers()}
        rows = {row["id"]: row["owner"] for row in storm.box.cli("session", "list")}
        raise AssertionError((SEED, left, rows)) from error
    for student in storm.students:
        for name, text in student.saved.items():
            url = f"{student.browser.session_url}api/contents/course/{name}"
            answer = student.browser.browser.get(url, timeout=60)
            assert answer.status_code == 200, (SEED, student.number, name, len(student.saved))
            assert answer.json()["content"] == text, (SEED, student.number, name)
