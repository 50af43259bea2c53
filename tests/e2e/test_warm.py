"""A class whose sessions run before it clicks, on a real box; the launcher is killed meanwhile."""

from __future__ import annotations

import json
import os
import signal

import pytest
import yaml

from launcher.rehearsal.click import Click
from tests.e2e.conftest import make_box
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
]


LATE = "warm sessions did not end in time; the next start ends them"


@pytest.fixture(scope="module")
def box(data_root):
    """A box that keeps two sessions of its environment warm, and never more."""
    root = data_root / "test_warm"
    root.mkdir()
    box = make_box(root, "docker")
    settings = yaml.safe_load(box.settings.read_text())
    entry = {"repo": box.git.url("env"), "tag": "v1", "warm": 2}
    settings["environments"]["catalogue"] = {"intro": entry}
    box.settings.write_text(yaml.safe_dump(settings))
    with box.running():
        yield box
    assert mounts(box) == [], "a mount was left"
    box.clean()


def mounts(box):
    with open("/proc/self/mountinfo") as rows:
        return [row.split()[4] for row in rows if str(box.data) in row]


def warm(box):
    """The sessions of nobody that can be claimed: their slots are read-only."""
    with open("/proc/self/mountinfo") as rows:
        found = [row.split() for row in rows if f"{box.data}/slots/" in row and "tmpfs" in row]
    claimed = {path.stem for path in (box.data / "slots").glob("*.claim")}
    ids = {row[4].rsplit("/", 1)[-1] for row in found if row[-1].startswith("ro")}
    return ids - claimed


def stop(box):
    """A clean end. What it could not end in its time, as it says then, the next one does."""
    for _ in range(3):
        said = len(box.log_text())
        assert box.stop() == 0
        if LATE not in box.log_text()[said:]:
            return
        box.start()
    raise AssertionError(box.log_text()[-3000:])


def session_of(student):
    return student.session_url.rstrip("/").rsplit("/", 1)[-1]


def test_a_kill_at_class_time_loses_neither_work_nor_warm_sessions(box):
    before = wait_for(lambda: len(warm(box)) == 2 and warm(box), 600)
    student = Click()
    student.open(box.link(env="intro"), lambda line: None, timeout=180)
    assert session_of(student) in before, "the session was ready before the click"
    assert student.notebook("course/week1.ipynb")["cells"]
    assert "cow" in student.run("import cowsay; print(cowsay.__name__)")
    body = {"type": "file", "format": "text", "content": "my work"}
    url = f"{student.session_url}api/contents/course/mine.txt"
    assert student.browser.put(url, data=json.dumps(body), timeout=60).status_code == 201

    box.stop(signal.SIGKILL)
    left = warm(box)
    box.start()
    again = student.open(box.link(env="intro"), lambda line: None, timeout=180)
    assert again.startswith(student.session_url), "the same session"
    assert student.browser.get(url, timeout=60).json()["content"] == "my work"
    wait_for(lambda: len(warm(box)) == 2, 180)
    assert left & warm(box) == left, "what was warm is taken over"

    other = Click()
    other.open(box.link(env="intro"), lambda line: None, timeout=180)
    assert session_of(other) != session_of(student)
    owner = box.owner(session_of(student))
    box.cli("session", "stop", session_of(student))
    mine = next((box.data / "homes" / owner).glob("*/course/mine.txt"))
    assert mine.read_text() == "my work"
    wait_for(lambda: not any(session_of(student) in one for one in mounts(box)), 60)


def test_a_clean_end_leaves_sessions_of_students_only(box):
    wait_for(lambda: len(warm(box)) == 2, 180)
    kept = {row["id"] for row in box.cli("session", "list")}
    stop(box)
    assert warm(box) == set()
    assert {row["id"] for row in box.cli("session", "list")} == kept
    assert {one.rsplit("/", 1)[-1] for one in mounts(box)} == kept | {"slots"}
