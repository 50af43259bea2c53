"""Two hundred launches and stops leave nothing behind: what is in use is what was before them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import docker
import pytest
import requests
import yaml

from launcher.homes.home import course_name
from launcher.rehearsal.click import Click
from launcher.runtimes.docker import mounts
from launcher.runtimes.docker.packet_filter import NoFilter, run_filter
from launcher.runtimes.docker.walls import Reach, Walls
from tests.e2e import small_server
from tests.e2e.conftest import make_box, remove_network
from tests.git_server import Repo
from tests.processes import Process
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has warm sessions"),
]
WARM_UP, LAUNCHES, STUDENTS, WARM = 100, 200, 8, 3
# What may differ between two quiet moments. The rest must be the same to the last one.
FILES = 2 * STUDENTS
"""Idle connections: as many launches as there are students may at once have asked the engine and
the gateway. One lost file in ten launches is more."""
THREADS = 8
"""A pool of threads grows to its size when it is needed, never beyond."""
PER_LAUNCH = 56 * 1024
"""Bytes: 8 kB that a launch is remembered with for ten minutes, and pieces of memory that are used
again later. That gets less and less: 58, 40 and 24 kB in three times ninety launches."""
PAGES = 600
"""Three for each thread of the app, in turns: the first one takes the memory of the thread's stack
for good, and no launch is to blame for that."""


@pytest.fixture(scope="module")
def box(data_root, request):
    root = data_root / "soak"
    (root / "tmp").mkdir(parents=True)
    box = make_box(root, "docker")
    # Nothing is installed. Sessions that start cold have a small server, so that time goes to what
    # is round them; the warm ones have Jupyter.
    Repo.create(box.git.root / "plain", {"README.md": "Nothing more.\n"}, tag="v1")
    Repo.create(box.git.root / "small", small_server.environment(), tag="v1")
    box.network = f"launcher-soak-{uuid.uuid4().hex[:8]}"
    catalogue = {
        "warm": {"repo": box.git.url("plain"), "tag": "v1", "warm": WARM},
        "cold": {"repo": box.git.url("small"), "tag": "v1", "egress": "open"},
    }
    settings = yaml.safe_load(box.settings.read_text())
    settings["environments"] |= {"catalogue": catalogue}
    settings |= {"docker": {"network": box.network}, "pool": {"demand": "0s", "at_once": 2}}
    box.settings.write_text(yaml.safe_dump(settings))
    box.engine = docker.from_env()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(root / "tmp"))
        # Or each of two hundred threads keeps some memory that another one has freed.
        patch.setenv("MALLOC_ARENA_MAX", "1")
        box.start()
    yield box
    box.end(log="soak")
    with contextlib.closing(box.engine):
        bridges = [bridge_of(one) for one in networks(box)]
        for one in networks(box):
            remove_network(box.engine, one)
        with contextlib.suppress(NoFilter):  # a launcher that starts takes them down, too
            Walls(tuple(Reach(bridge, "web") for bridge in bridges)).remove()
    box.clean()


def networks(box):
    found = box.engine.networks.list(names=[box.network])
    return [one for one in found if one.name.startswith(box.network)]


def bridge_of(network):
    return network.attrs["Options"]["com.docker.network.bridge.name"]


@dataclass
class Student:
    """Saves a file in every session, and looks for those of before."""

    box: object
    click: Click = field(default_factory=Click)
    saved: list = field(default_factory=list)

    def open(self, link):
        """Click, and ask as often as the waiting page does, not as often as a benchmark."""
        http = self.click.browser
        said = http.get(link, headers={"Accept": "application/json"}, timeout=30).json()
        while not said["url"]:
            assert not said["error"], said["error"]
            time.sleep(0.5)
            said = http.get(f"{self.box.url}/api/launches/{said['id']}", timeout=30).json()
        self.click.url = said["url"]

    def come_and_go(self, env):
        self.open(self.box.link(env=env))
        contents = f"{self.click.session_url}api/contents/course"
        for name in self.saved:
            answer = self.click.browser.get(f"{contents}/{name}", timeout=30)
            assert answer.json()["content"] == f"{name} of {id(self)}"
        name = f"work-{len(self.saved)}.txt"
        body = {"type": "file", "format": "text", "content": f"{name} of {id(self)}"}
        answer = self.click.browser.put(f"{contents}/{name}", data=json.dumps(body), timeout=30)
        assert answer.status_code == 201, answer.text
        self.saved.append(name)
        own = self.click.browser.get(f"{self.box.url}/api/sessions", timeout=30).json()
        assert len(own["sessions"]) == 1
        self.owner = own["sessions"][0]["owner"]
        where = f"{self.box.url}/sessions/{own['sessions'][0]['id']}/stop"
        gone = self.click.browser.post(where, {"csrf": own["csrf"]}, timeout=60)
        assert gone.status_code == 200

    def check(self):
        """What was saved is on the disk."""
        home = self.box.data / "homes" / self.owner / course_name(self.box.git.url("course"))
        for name in self.saved:
            assert (home / "course" / name).read_text() == f"{name} of {id(self)}"


def come_and_go(box, launches):
    """Eight students at once; every other launch is of somebody new, three of four start cold."""
    numbers, every, guard = itertools.count(), [], threading.Lock()

    def one_after_another(_):
        mine = None
        while True:
            with guard:
                number = next(numbers)
            if number >= launches:
                return
            if mine is None or len(mine.saved) == 2:
                mine = Student(box)
                every.append(mine)
            mine.come_and_go("cold" if number % 4 else "warm")

    with ThreadPoolExecutor(STUDENTS) as pool:
        list(pool.map(one_after_another, range(STUDENTS)))
    for one in every:
        one.click.browser.close()
    return every


def every_thread_has_worked(box):
    with requests.Session() as browser:
        for _ in range(PAGES):
            assert browser.get(f"{box.url}/sessions", timeout=30).status_code == 200


def processes(box):
    gateway = int((box.data / "run" / "gateway").read_text().split()[2])
    return {"app": Process.of(box.process.pid), "gateway": Process.of(gateway)}


def left_over(box):
    """Everything outside the processes that must be as it was."""
    bridges = [bridge_of(one) for one in networks(box)]
    rules = run_filter(["iptables", "-w", "-S"]).splitlines()
    under_way = box.data / "builds"
    folders = ("run", "content", "base")
    labels = {"label": "launcher.session", "network": box.network}
    both = [labels, labels | {"network": f"{box.network}-open"}]
    return {
        "mounts": sum(one.startswith(str(box.data)) for one in mounts.mount_points()),
        "containers": sum(len(box.engine.api.containers(all=True, filters=f)) for f in both),
        "networks": sorted(one.name for one in networks(box)),
        "rules": sorted(one for one in rules if any(bridge in one for bridge in bridges)),
        "files": {
            name: sum(1 for one in (box.data / name).rglob("*") if one.name != "memory.json")
            for name in folders
        }
        | {"builds": sum(1 for _ in under_way.rglob("*"))},
        # Not what a server has made in its slot before that was read-only: a folder or none.
        "slots": sorted(one.suffix for one in (box.data / "slots").iterdir()),
        "beside": sorted(one.name for one in box.data.iterdir()),
        "new": sorted(one.name for one in box.data.glob("homes/*/.[!d]*")),
        "tmp": sorted(os.listdir(box.data.parent / "tmp")),
    }


def quiet(box):
    """Wait until nothing happens any more: only the warm sessions are there, and they answer."""
    containers = lambda: left_over(box)["containers"] == WARM  # noqa: E731
    wait_for(containers, 120, every=0.5)
    wait_for(lambda: ready_warm(box) == WARM, 120, every=0.5)
    looks = [left_over(box)]

    def nothing_changes():
        time.sleep(1)
        looks.append(left_over(box))
        return looks[-1] == looks[-2]

    wait_for(nothing_changes, 60)


def ready_warm(box):
    """Slots that are read-only: their server has answered."""
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    return sum(f"{box.data.resolve()}/slots/" in row and " ro," in row for row in rows)


def test_after_two_hundred_launches_all_is_where_it_was(box):
    began = time.monotonic()
    students = come_and_go(box, WARM_UP)
    every_thread_has_worked(box)
    quiet(box)
    before, used = left_over(box), processes(box)
    warmed = time.monotonic()
    students += come_and_go(box, LAUNCHES - WARM_UP)
    launched = time.monotonic()
    quiet(box)
    with contextlib.suppress(AssertionError):  # what differs is told below
        wait_for(lambda: left_over(box) == before, 60, every=1)
    after, using = left_over(box), processes(box)
    print(
        f"\n[soak] warm-up {warmed - began:.0f} s, {LAUNCHES - WARM_UP} launches "
        f"{launched - warmed:.0f} s, all {time.monotonic() - began:.0f} s; app and gateway "
        + ", ".join(f"{(using[n].memory - used[n].memory) / 2**20:+.1f} MB" for n in using)
        + f"\n{used}\n{using}"
    )
    assert after == before
    for name, one in using.items():
        assert one.files <= used[name].files + FILES, name
        assert one.threads <= used[name].threads + THREADS, name
        grown = one.memory - used[name].memory
        assert grown <= (LAUNCHES - WARM_UP) * PER_LAUNCH, f"{name} grew by {grown / 2**20:.1f} MB"
    assert sum(len(one.saved) for one in students) == LAUNCHES
    for one in students:
        one.check()
    assert "Traceback" not in box.log_text()
