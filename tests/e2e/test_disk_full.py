"""The disk of the data folder is full: sentences, nothing is damaged, and with room all goes on."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import requests
import yaml

from launcher.database import Database
from launcher.rehearsal.click import Click
from launcher.runtimes.docker import mounts
from tests.e2e import small_server
from tests.e2e.conftest import make_box
from tests.git_server import Repo
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount"),
]
SIZE = 32 * 2**20


@pytest.fixture(scope="module")
def box(data_root):
    root = data_root / "disk-full"
    root.mkdir()
    box = make_box(root, "docker")
    small = Repo.create(box.git.root / "small", small_server.environment(), tag="v1")
    small.commit({"README.md": "Something new.\n"})
    small.git("tag", "v2")
    settings = yaml.safe_load(box.settings.read_text())
    catalogue = {"small": {"repo": box.git.url("small"), "tag": "v1"}}
    settings["environments"] |= {"catalogue": catalogue}
    settings["content"] |= {"min_free": 0}
    box.settings.write_text(yaml.safe_dump(settings | {"builds": {"min_free": 0}}))
    box.data.mkdir()
    mounts.passing(box.data, owner=0, size=SIZE)
    subprocess.run(["mount", "-o", "remount,nr_inodes=100000", box.data], check=True)
    try:
        with box.running(log="disk-full"):
            yield box
            with contextlib.suppress(FileNotFoundError):
                (box.data / "fill").unlink()
    finally:
        mounts.unmount(box.data)
    box.clean()


class Student:
    def __init__(self, box):
        self.box, self.click = box, Click()

    def launch(self, env="small"):
        """The error, or None once the session's address is known."""
        http = self.click.browser
        answer = http.get(self.box.link(env=env), headers=JSON, timeout=60)
        while True:
            assert answer.status_code < 500 or "error" in answer.json(), answer.text
            said = answer.json()
            if said.get("error"):
                return said["error"]
            if said["url"]:
                self.click.url = said["url"]
                return None
            time.sleep(0.2)
            answer = http.get(f"{self.box.url}/api/launches/{said['id']}", timeout=60)

    def ask(self, name, text=None):
        """The session's answer to a file being read, or saved where there is a text."""
        http, where = self.click.browser, f"{self.click.session_url}api/contents/course/{name}"
        if text is None:
            return http.get(where, timeout=30)
        return http.put(where, data=json.dumps({"content": text}), timeout=30)

    def read(self, name):
        answer = self.ask(name)
        return answer.json()["content"] if answer.status_code == 200 else None

    def stop(self):
        """The answer to the page's button."""
        own = self.click.browser.get(f"{self.box.url}/api/sessions", timeout=30).json()
        [one] = own["sessions"]
        where = f"{self.box.url}/sessions/{one['id']}/stop"
        return self.click.browser.post(where, {"csrf": own["csrf"]}, timeout=60)


JSON = {"Accept": "application/json"}


def fill(folder):
    """Take all room, to the last byte."""
    with (folder / "fill").open("wb", buffering=0) as file:
        size = 2**20
        while size:
            try:
                file.write(b"\0" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                size //= 2


@pytest.fixture
def students(box):
    every = [Student(box) for _ in range(4)]
    yield every
    for one in every:
        one.click.browser.close()


def test_a_full_disk_is_a_sentence_and_with_room_all_goes_on(box, students):
    began = time.monotonic()
    anna, bert, cora, dora = students
    for one in (anna, bert):
        assert one.launch() is None
        assert one.ask("mine.txt", f"of {id(one)}").status_code == 201
    sessions = anna.click.session_url, bert.click.session_url
    print(f"\n[disk] ready after {time.monotonic() - began:.0f} s")

    box.content.commit({"week2.txt": "x" * 300_000})
    fill(box.data)
    for one, env in ((cora, "small"), (dora, f"{box.git.url('small')}@v2"), (anna, "small")):
        error = one.launch(env)
        print("[disk]", error and (error["code"], error["message"], error.get("hint")))
        if one is not anna or error:
            assert error["code"] not in ("E-INTERNAL", "E-LINK"), error
            assert "full" in error["message"] or "No space" in error["message"], error
    assert requests.get(f"{box.url}/healthz", timeout=30).status_code == 200
    assert anna.click.session_url == sessions[0]
    assert anna.read("mine.txt") == f"of {id(anna)}", "what runs goes on"
    assert bert.stop().status_code == 200, "a session can be stopped"

    (box.data / "fill").unlink()
    for one in (anna, bert, cora):
        assert one.launch() is None
    assert anna.click.session_url == sessions[0]
    for one in (anna, bert):
        assert one.read("mine.txt") == f"of {id(one)}"
    for one in (anna, bert, cora):
        wait_for(lambda one=one: one.read("week2.txt") == "x" * 300_000)
    assert dora.launch(f"{box.git.url('small')}@v2") is None

    assert Database.of(box.data).check() is None
    for mirror in (box.data / "content" / "mirrors").iterdir():
        subprocess.run(["git", "--git-dir", mirror, "fsck", "--strict"], check=True)
    for clone in (box.data / "homes").glob("*/*/course"):
        command = ["git", "-c", "safe.directory=*", "-C", clone, "fsck", "--strict"]
        subprocess.run(command, check=True)
    rows = box.cli("session", "list")
    assert [row["running"] for row in rows] == [True] * 4
    assert "Traceback" not in box.log_text()
    assert sorted(Path(box.data, "homes").glob("*/.new-*")) == []
    print(f"[disk] all: {time.monotonic() - began:.0f} s")
