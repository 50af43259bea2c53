"""A box with room for two: everybody else waits in line, and all are served in order."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from playwright.sync_api import TimeoutError

from launcher.rehearsal.click import Click
from tests.e2e.conftest import ARTEFACTS, WITHOUT_LAB, make_box
from tests.waiting import wait_for

JSON = {"Accept": "application/json"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def box(local_root):
    root = local_root / "queue-local"
    root.mkdir()
    box = make_box(root, "local", **WITHOUT_LAB)
    settings = yaml.safe_load(box.settings.read_text())
    settings |= {"capacity": {"sessions": 2}, "content": {"fresh": "60s"}}
    box.settings.write_text(yaml.safe_dump(settings))
    with box.running(log="queue-local"):
        yield box
    box.clean()


class Student:
    """A browser that clicks the link and asks as the waiting page does."""

    def __init__(self, box):
        self.box, self.browser = box, Click().browser
        self.said = {}

    def click(self):
        answer = self.browser.get(self.box.link(), headers=JSON, timeout=120)
        assert answer.status_code == 200
        self.said = answer.json()
        return self

    def ask(self):
        answer = self.browser.get(f"{self.box.url}/api/launches/{self.said['id']}", timeout=120)
        assert answer.status_code in (200, 404)
        if answer.status_code == 404:  # as after a restart: the page clicks again
            return self.click()
        self.said = answer.json()
        assert self.said["error"] is None
        return self

    def until(self, what, seconds=120):
        deadline = time.monotonic() + seconds
        while not self.said[what]:
            assert time.monotonic() < deadline, self.box.log_text()[-2000:]
            time.sleep(0.1)
            self.ask()
        return self.said[what]

    def until_served(self):
        """Until the session is there, or a place in line."""
        deadline = time.monotonic() + 600
        while not (self.said["url"] or self.said["queue"]):
            assert time.monotonic() < deadline, self.box.log_text()[-2000:]
            time.sleep(0.5)
            self.ask()

    def leave(self):
        """Leave the line, as the page's button does."""
        csrf = self.browser.get(f"{self.box.url}/api/sessions", timeout=120).json()["csrf"]
        where = f"{self.box.url}/launches/{self.said['id']}/leave"
        assert self.browser.post(where, {"csrf": csrf}, timeout=120).status_code == 200

    def stop(self):
        """Stop all own sessions, as the page does."""
        own = self.browser.get(f"{self.box.url}/api/sessions", timeout=120).json()
        for session in own["sessions"]:
            where = f"{self.box.url}/sessions/{session['id']}/stop"
            assert self.browser.post(where, {"csrf": own["csrf"]}, timeout=120).status_code == 200


@pytest.fixture(scope="module")
def taken(box):
    """Two students who have the two places, after a storm of forty for an environment that is new.

    The others have left the line again.
    """
    storm = [Student(box) for _ in range(40)]
    box.git.requests.clear()
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(Student.click, storm))
        list(pool.map(Student.until_served, storm))
    taken = [one for one in storm if one.said["url"]]
    line = [one for one in storm if one.said["queue"]]
    box.storm = (len(taken), sorted(one.ask().said["queue"]["number"] for one in line))
    for student in line:
        student.leave()
    return taken


def test_forty_clicks_at_once_are_one_build_and_one_fetch_and_a_line(box, taken):
    assert box.storm == (2, list(range(1, 39)))
    assert box.builds() == 1
    fetches = [one for one in box.git.requests if "course" in one and "git-upload-pack" in one]
    assert 1 <= len([one for one in fetches if one.startswith("POST")]) <= 3
    assert not [line for line in box.log_text().splitlines() if "Traceback" in line]


def test_six_students_share_two_places_in_the_order_of_their_clicks(box, taken):
    line = []
    for _ in range(4):
        line.append(Student(box).click())
        line[-1].until("queue")
    numbers = [student.ask().said["queue"]["number"] for student in line]
    assert numbers == [1, 2, 3, 4]
    assert line[0].said["queue"]["of"] == 4
    assert line[0].said["queue"]["seconds"] is None, "nothing has been measured yet"
    assert "taken" in line[0].said["queue"]["sentence"]

    assert box.stop() == 0
    box.start()
    for student in reversed(line):
        student.ask().until("queue")
    numbers = [student.ask().said["queue"]["number"] for student in line]
    assert numbers == [1, 2, 3, 4], "a restart keeps the order, whoever clicks first"

    served, inside, most = [], list(taken), 0
    while len(served) < 4:
        inside.pop(0).stop()
        while len(inside) < 2 and len(served) < 4:
            time.sleep(0.2)
            for student in line:
                if student not in served and student.ask().said["url"]:
                    served.append(student)
                    inside.append(student)
            most = max(most, len(list((box.data / "run" / "local").glob("*.json"))))
    assert [line.index(student) for student in served] == [0, 1, 2, 3]
    assert most <= 2
    taken[:] = inside


def test_the_numbers_are_measured(box, taken):
    text = taken[0].browser.get(f"{box.url}/metrics", timeout=60).text
    assert "launcher_queue_length 0.0" in text
    assert "launcher_queue_seconds_count 4.0" in text
    assert "launcher_room_sessions 2.0" in text


@pytest.mark.browser
def test_the_waiting_page_says_the_place_and_goes_on_by_itself(box, taken, student):
    page = student.new_page(viewport={"width": 320, "height": 720}, color_scheme="dark")
    page.goto(box.link())
    page.get_by_role("heading", name="You are number 1 of 1").wait_for()
    assert "You are number 1 of 1" in page.title()
    assert page.locator("#expect").inner_text().startswith("About")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 320
    page.screenshot(path=ARTEFACTS / "queue-320-dark.png", full_page=True)

    plain = student.new_context(java_script_enabled=False)
    other = plain.new_page()
    other.goto(box.link())
    other.get_by_role("heading", name="You are number 2 of 2").wait_for()
    assert other.locator("meta[http-equiv=refresh]").count() == 1
    other.screenshot(path=ARTEFACTS / "queue-plain.png", full_page=True)
    left = other.get_by_role("heading", name="You left the line")
    for _ in range(3):  # the page may reload by itself under the click
        if left.count() == 0:
            other.get_by_role("button", name="Leave the line").click()
        with contextlib.suppress(TimeoutError):
            left.wait_for(timeout=30_000)
            break
    left.wait_for()
    other.screenshot(path=ARTEFACTS / "queue-left.png", full_page=True)

    taken.pop(0).stop()
    page.wait_for_url("**/s/**", timeout=180_000)
    wait_for(lambda: "launcher_queue_length 0.0" in metrics(box), 120)


def metrics(box):
    return Click().browser.get(f"{box.url}/metrics", timeout=60).text
