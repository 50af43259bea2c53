"""What an administrator counts on: one build, restarts that nobody notices, idle stops."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace

import pytest
import requests
import yaml

from launcher.machine.ports import free_port
from launcher.rehearsal.click import Click, ClickFailed
from tests.waiting import wait_for


def click(box, **changes):
    """A new student clicks; returns their browser."""
    student = Click()
    student.open(box.link(**changes), lambda line: None, timeout=600)
    return student


def status(student):
    answer = student.browser.get(f"{student.session_url}api/status", timeout=60)
    return answer.status_code


def test_two_launches_at_once_of_a_new_tag_are_one_build_with_one_log(box):
    logs = [[], []]
    browsers = [Click(), Click()]
    link = box.link()

    def launch(number):
        browsers[number].open(link, logs[number].append, timeout=600)

    threads = [threading.Thread(target=launch, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(620)
    assert all(browser.url for browser in browsers), box.log_text()[-3000:]
    assert browsers[0].session_url != browsers[1].session_url
    assert box.builds() == 1
    for log in logs:
        assert any("Used: requirements.txt" in line for line in log)


def test_ten_pushes_and_ten_launches_build_nothing(box):
    before = box.builds(), box.images()
    student = click(box)
    home = home_of(student, box)
    for number in range(10):
        commit = box.content.commit({f"push{number}.txt": "new\n"})
        student.open(box.link(), lambda line: None, timeout=180)
        assert (home / f"push{number}.txt").exists()
        head = (home / ".git" / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            head = (home / ".git" / head[5:]).read_text().strip()
        assert head == commit
    assert (box.builds(), box.images()) == before


def home_of(student, box):
    """The folder that the student's session shows as the course."""
    own = student.browser.get(f"{box.url}/api/sessions", timeout=60).json()["sessions"]
    (owner,) = {row["owner"] for row in own}
    return next((box.data / "homes" / owner).glob("*/course"))


def test_a_backup_of_a_launcher_that_serves_brings_the_work_to_another_machine(box):
    if box.runtime == "local":
        pytest.skip("it differs in nothing but the time of another environment's build")
    student = click(box)
    home = home_of(student, box)
    whose = home.stat()
    for name, text in (("README.md", "# Course\nmine\n"), ("notes.txt", "only I have this")):
        (home / name).write_text(text)
        os.chown(home / name, whose.st_uid, whose.st_gid)
    file = box.data.parent / "backup.tar.gz"
    assert box.cli("backup", str(file))["students"] >= 1
    (home / "notes.txt").write_text("later")
    box.content.commit({"new.txt": "from the teacher\n"})
    settings = yaml.safe_load(box.settings.read_text())
    address = f"127.0.0.1:{free_port()}"
    there = replace(box, data=box.data.parent / "there", settings=file.with_name("there.yml"))
    there.settings.write_text(
        yaml.safe_dump(
            settings
            | {"data": str(there.data), "listen": address, "public_url": f"http://{address}"}
        )
    )
    there.cli("restore", str(file))
    there.start()
    try:
        student.open(there.link(), lambda line: None, timeout=180)  # with the cookie of before
        again = home_of(student, there)
        assert again.parent.parent.name == home.parent.parent.name
        assert (again / "notes.txt").read_text() == "only I have this"
        assert (again / "README.md").read_text() == "# Course\nmine\n"
        assert (again / "new.txt").read_text() == "from the teacher\n"
        assert again.stat().st_uid == whose.st_uid
        assert status(student) == 200
    finally:
        there.cli("session", "stop", "all")
        there.stop()


def test_a_restart_of_the_launcher_is_not_noticed_by_a_session(box):
    student = click(box)
    assert box.stop() == 0
    assert [row["running"] for row in box.cli("session", "list")].count(True) >= 1
    box.start()
    assert status(student) == 200
    again = student.open(box.link(), lambda line: None)
    assert again.startswith(student.session_url)


@pytest.mark.parametrize("which", ["app", "gateway"])
def test_a_kill_of_either_process_loses_no_session(box, which):
    student = click(box)
    if which == "app":
        box.stop(signal.SIGKILL)
        assert status(student) == 200, "the gateway goes on alone"
        box.start()
    else:
        pid = int((box.data / "run" / "gateway").read_text().split()[2])
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: answers(student), 120)
    assert requests.get(f"{box.url}/healthz", timeout=30).json() == {"ok": True}


def answers(student):
    try:
        return status(student) == 200
    except requests.RequestException:
        return False


def test_ready_and_doctor_agree(box):
    answer = requests.get(f"{box.url}/readyz", timeout=60)
    assert answer.status_code == 200, answer.text
    checks = {row["name"]: row["ok"] for row in box.cli("doctor")}
    assert checks["runtime"]
    assert checks["gateway"]


def test_a_link_is_checked_without_starting_anything(box):
    before = len(box.cli("session", "list"))
    good = box.cli("link", "check", box.link())
    assert {row["name"]: row["state"] for row in good} == {
        "environment": "ok", "content": "ok", "path": "ok", "kernel": "ok", "size": "ok"
    }  # fmt: skip
    assert len(box.cli("session", "list")) == before


def notebook(*sources, tags=()):
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {"tags": list(tags)}, "outputs": [],
         "execution_count": None, "source": source}
        for n, source in enumerate(sources)
    ]  # fmt: skip
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_a_rehearsal_runs_the_notebook_and_leaves_nothing(box):
    box.content.commit(
        {
            "good.ipynb": notebook("x = 41", "x += 1", "print(x); assert x == 42"),
            "bad.ipynb": notebook("x = 1", "x / 0", "never"),
            "meant.ipynb": notebook("x / 0", tags=["raises-exception"]),
        }
    )
    before = set((box.data / "homes").iterdir())
    good = box.cli("link", "rehearse", box.link(path="good.ipynb"))
    assert (good["ok"], good["cells"]) == (True, 3)
    assert box.cli("link", "rehearse", box.link(path="meant.ipynb"))["ok"]
    bad = box.cli("link", "rehearse", box.link(path="bad.ipynb"), code=1)
    assert (bad["ok"], bad["cells"]) == (False, 1)
    assert bad["error"] == "Cell 2: The cell raised ZeroDivisionError: division by zero"
    gone = box.cli("link", "rehearse", box.link(path="none.ipynb"), code=1)
    assert "'none.ipynb' is not in the course files" in gone["error"]
    assert set((box.data / "homes").iterdir()) == before
    rows = {row["name"]: row for row in box.cli("link", "check", box.link(path="good.ipynb"))}
    assert rows["rehearsal"]["state"] == "ok"
    assert "3 cells ran" in rows["rehearsal"]["sentence"]


CELL = """
import time
time.sleep(24)  # the page leaves after 8, ten later it is unused, and the reaper looks every 2.5
open("result.txt", "w").write("42")
"""


@pytest.fixture(scope="module")
def idle(box):
    """The box from here on: sessions stop after ten seconds without use."""
    box.stop()
    settings = yaml.safe_load(box.settings.read_text())
    box.settings.write_text(yaml.safe_dump(settings | {"session": {"idle": "10s"}}))
    return box.start()


def wait_until_unused(student, box):
    """Until all sessions have stopped; the page asks, as a command takes a second of CPU."""
    own = f"{box.url}/api/sessions"
    wait_for(lambda: student.browser.get(own, timeout=60).json()["sessions"] == [], 180, every=0.5)
    wait_for(lambda: box.cli("session", "list") == [], 180, every=1)


def test_an_unused_session_stops_and_its_work_comes_back(idle):
    student = click(idle)
    body = {"type": "file", "format": "text", "content": "my work"}
    saved = student.browser.put(
        f"{student.session_url}api/contents/course/mine.txt", data=json.dumps(body), timeout=60
    )
    assert saved.status_code == 201, saved.text
    wait_until_unused(student, idle)
    page = student.browser.get(
        f"{student.session_url}lab", headers={"Accept": "text/html"}, timeout=60
    )
    assert page.status_code == 503
    assert "was not used" in page.text
    first = student.session_url
    student.open(idle.link(), lambda line: None, timeout=120)
    assert student.session_url != first
    answer = student.browser.get(f"{student.session_url}api/contents/course/mine.txt", timeout=60)
    assert answer.json()["content"] == "my work"


def test_a_cell_that_prints_nothing_ends_before_its_session_does(idle):
    student = click(idle)
    kernel = student.kernel(notebook="course/week1.ipynb")
    student.run("1", kernel=kernel, timeout=120)
    with pytest.raises(ClickFailed, match="took longer"):  # the laptop is closed meanwhile
        student.run(CELL, kernel=kernel, timeout=8)
    home = home_of(student, idle)
    wait_until_unused(student, idle)
    assert (home / "result.txt").read_text() == "42"
