"""The click over HTTP: straight in, a waiting page, or a page that says what to do."""

from __future__ import annotations

import re
import threading

import pytest
from flask import Flask

from envs.errors import AmbiguousRef, BuildFailed
from envs.image import Image
from launcher.errors import FolderOfAnother, PathNotFound
from launcher.launch import Opened
from launcher.launches import Launches
from launcher.people import identity
from launcher.progress import Phase, Progress
from launcher.room.capacity import Capacity, Plan
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.queue import Queue, unlimited_queue
from launcher.session import Session
from launcher.web import errors, launch, request
from link_generator import page
from tests.waiting import wait_for

SECRET = b"k" * 32
OPENED = Opened(Session("ab12", "s", "c", "i", "", 0, "", True), "http://x/s/ab12/lab/tree/r")
LINK = "/launch?env=gh/o/env@v1&repo=https://github.com/o/r&branch=main&path=week9.ipynb"
JSON = {"Accept": "application/json"}


class Scene:
    """What the launch does is up to the test."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.reached = threading.Event()
        self.error = None
        self.full = lambda student: None
        self.image = None
        self.ready = set()
        self.runs = 0

    def build_page(self, image):
        return image.replace("env/x:", "/env/x/") if image else ""

    def hold(self, browser):
        """Click; the launch says its lines and waits, and who clicks again does not."""
        self.gate.clear()
        launch.STRAIGHT_IN = 0.0
        browser.get(LINK)
        assert self.reached.wait(60)

    def let_go(self):
        launch.STRAIGHT_IN = 60.0
        self.gate.set()

    def run(self, link, student, tell):
        self.runs += 1
        tell(Progress(Phase.ENVIRONMENT, "Building env/x:1-2", log=True))
        tell(Progress(Phase.LINK, "Link read"))
        tell(Progress(Phase.ENVIRONMENT, "<b>building</b>", log=True))
        if self.image:
            tell(Progress(Phase.ENVIRONMENT, "It is ready", image=self.image))
        self.reached.set()
        self.gate.wait(120)
        self.full(student)
        if self.error:
            raise self.error
        return OPENED


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def app(scene, monkeypatch):
    monkeypatch.setattr(launch, "STRAIGHT_IN", 60.0)
    return make_app(scene, unlimited_queue())


def make_app(scene, queue):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=SECRET, PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(page.create_blueprint(public_url="http://x", catalogue={}))
    app.register_blueprint(
        launch.create_blueprint(
            Launches(scene.run, errors.EXPECTED, queue),
            scene.build_page,
            ready=lambda image: image in scene.ready,
        )
    )
    errors.register(app)
    return app


@pytest.fixture
def browser(app):
    return app.test_client()


def test_a_session_that_is_ready_at_once_needs_no_waiting_page(browser):
    answer = browser.get(LINK)
    assert (answer.status_code, answer.location) == (303, OPENED.url)


def test_a_new_student_gets_a_signed_cookie_that_scripts_cannot_read(browser):
    cookie = browser.get(LINK).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    value = cookie.split("=", 1)[1].split(";")[0]
    assert identity.read_student(SECRET, value)


def test_a_slow_launch_shows_its_steps_and_its_log_escaped(browser, scene):
    scene.hold(browser)
    answer = browser.get(LINK)
    scene.let_go()
    assert answer.status_code == 200
    assert "Opening week9.ipynb" in answer.text
    assert "&lt;b&gt;building" in answer.text
    assert "<b>building" not in answer.text
    assert 'http-equiv="refresh"' in answer.text


def test_a_build_under_way_or_failed_has_a_link_to_its_page(browser, scene):
    scene.hold(browser)
    assert 'href="/env/x/1-2"' in browser.get(LINK).text
    scene.error = BuildFailed("no", image="env/x:3-4")
    scene.let_go()
    assert 'href="/env/x/3-4">Show the build' in browser.get(LINK).text
    scene.error = BuildFailed("no")
    assert "Show the build" not in browser.get(LINK).text


def test_a_reload_while_waiting_is_the_same_launch(browser, scene):
    scene.hold(browser)
    browser.get(LINK)
    scene.let_go()
    assert browser.get(LINK).status_code == 303
    assert scene.runs == 1


def test_programs_follow_with_a_cursor(browser, scene):
    scene.hold(browser)
    first = browser.get(LINK, headers=JSON).json
    assert first["url"] is None
    said = [event["message"] for event in first["events"]]
    assert said == ["Building env/x:1-2", "Link read", "<b>building</b>"]
    scene.let_go()
    more = f"/api/launches/{first['id']}?since={first['cursor']}"
    wait_for(lambda: browser.get(more).json["url"])
    later = browser.get(more).json
    assert later["events"] == []
    assert later["phase"] == "ready"
    assert later["url"] == OPENED.url


def test_nobody_else_sees_a_launch(app, browser):
    launch_id = browser.get(LINK, headers=JSON).json["id"]
    assert app.test_client().get(f"/api/launches/{launch_id}").status_code == 404


def test_a_wrong_link_is_named_by_its_part(browser):
    answer = browser.get("/launch?repo=https://github.com/o/r")
    assert answer.status_code == 400
    assert "names no environment" in answer.text
    answer = browser.get("/launch?env=gh/o/r@-x", headers=JSON)
    assert answer.json["error"]["field"] == "env"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (PathNotFound("no", near=["week1.ipynb"]), 404, "E-PATH"),
        (BuildFailed("no"), 409, "E-ENV-FAILED"),
        (AmbiguousRef("no", hint="choose"), 409, "E-ENV"),
    ],
)
def test_a_failed_launch_is_a_page_with_a_code_and_the_request_s_id(
    browser, scene, error, status, code
):
    scene.error = error
    answer = browser.get(LINK, headers={"X-Request-Id": "abcdef123456"})
    assert answer.status_code == status
    assert code in answer.text
    assert "abcdef123456" in answer.text
    assert "Your work is safe" in answer.text


def test_a_missing_file_offers_one_that_exists_and_the_folder(browser, scene):
    scene.error = PathNotFound("no", near=["week1.ipynb"])
    answer = browser.get(LINK)
    assert "Open week1.ipynb" in answer.text
    assert "Open the folder instead" in answer.text


def test_a_link_not_to_be_trusted_offers_the_sessions_and_no_second_try(browser, scene):
    scene.error = FolderOfAnother(
        "Your folder for this is of that.", hint="Do not trust this link."
    )
    answer = browser.get(LINK)
    assert answer.status_code == 409
    assert 'href="/sessions">My sessions</a>' in answer.text
    assert "Try again" not in answer.text
    assert "correct the link" not in answer.text


def test_a_surprise_shows_no_details_but_is_in_the_log(browser, scene, caplog):
    scene.error = RuntimeError("secret path /x/y")
    answer = browser.get(LINK)
    assert answer.status_code == 500
    assert "secret path" not in answer.text
    assert "secret path" in caplog.text


def test_after_a_failure_was_shown_the_next_click_tries_again(browser, scene):
    scene.error = BuildFailed("no")
    browser.get(LINK)
    scene.error = None
    assert browser.get(LINK).status_code == 303


def test_an_image_on_a_page_starts_nothing(browser, scene):
    assert browser.get(LINK, headers={"Sec-Fetch-Dest": "image"}).status_code == 403
    assert scene.runs == 0


def test_who_only_looks_at_a_link_starts_nothing(browser, scene):
    """Mail filters, chat previews and link checkers ask for the head."""
    assert browser.head(LINK).status_code == 200
    assert browser.head("/launch?env=%20").status_code == 400
    assert scene.runs == 0


def test_pages_carry_a_strict_policy(browser):
    policy = browser.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_an_unknown_address_has_a_way_out(browser):
    answer = browser.get("/nowhere")
    assert answer.status_code == 404
    assert "Make a launch link" in answer.text


def test_the_generator_works_as_a_plain_form(browser):
    answer = browser.get("/?env=gh/o/env@v1&repo=https://github.com/o/r/blob/dev/a%20b.ipynb")
    assert "branch=dev&amp;path=a%20b.ipynb" in answer.text
    wrong = browser.get("/?env=&repo=https://github.com/o/r")
    assert wrong.status_code == 400
    assert 'href="#env"' in wrong.text


def test_the_link_as_json_and_back(browser):
    made = browser.get("/api/link", query_string={"env": "gh/o/env@v1", "repo": "https://h/r"}).json
    assert made["warnings"] == []
    back = browser.get("/api/link/parse", query_string={"url": made["url"]}).json
    assert (back["env"], back["tag"], back["repo"]) == ("gh/o/env", "v1", "https://h/r")
    wrong = browser.get("/api/link?env=file:///x")
    assert wrong.status_code == 400
    assert set(wrong.json["error"]) == {"field", "message", "hint"}


def test_what_a_person_types_never_becomes_markup(browser):
    answer = browser.get("/", query_string={"env": '"><script>x</script>'})
    assert "<script>x" not in answer.text


def test_in_a_storm_only_some_clicks_wait_and_the_others_get_their_page_at_once(
    app, scene, monkeypatch
):
    monkeypatch.setattr(launch, "STRAIGHT_IN", 120.0)
    scene.gate.clear()
    answers = []

    def click():
        answers.append(app.test_client().get(LINK).status_code)

    threads = [threading.Thread(target=click) for _ in range(launch.PATIENT + 20)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answers) >= 20, 60)
    assert answers == [200] * 20, "those who need not wait have their page"
    scene.gate.set()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] * 20 + [303] * launch.PATIENT


def test_where_a_session_is_ready_a_click_waits_for_the_notebook(browser, scene, monkeypatch):
    monkeypatch.setattr(launch, "SOON", 120.0)
    scene.image = Image("env/x:1-2")
    scene.hold(browser)
    assert browser.get(LINK).status_code == 200, "none is ready: a page with the steps"
    scene.ready = {"env/other:1-2"}
    assert browser.get(LINK).status_code == 200
    scene.ready = {"env/x:1-2"}
    opening = threading.Timer(0.5, scene.gate.set)
    opening.start()
    assert browser.get(LINK).status_code == 303
    opening.join()


def test_one_in_line_sees_the_place_and_may_leave(app, scene):
    capacity = Capacity(Plan(memory=1, reserve=1, largest=1), Measured(None))
    capacity.hold("ab12", "somebody", "c", "i")
    queue = Queue(capacity, Line(None), 60, 60)
    scene.full = lambda student: queue.admit(student, "c", "i")
    waits = make_app(scene, queue).test_client()
    page_ = waits.get(LINK).text
    assert "You are number 1 of 1" in page_
    assert "All places are taken." in page_
    assert "Keep this page open" in page_
    said = waits.get(LINK, headers=JSON).json
    assert said["queue"] == {
        "number": 1,
        "of": 1,
        "seconds": None,
        "place": "You are number 1 of 1",
        "sentence": "All places are taken. You get one as soon as others finish.",
    }
    assert [step["state"] for step in said["steps"]][:2] == ["done", "done"]
    where = f"/launches/{said['id']}/leave"
    assert waits.post(where).status_code == 403, "only our own form"
    csrf = re.search(r'name="csrf" value="(\w+)"', page_)[1]
    answer = waits.post(where, data={"csrf": csrf})
    assert "You left the line" in answer.text
    assert "Join again" in answer.text
    assert queue.length() == 0
    assert waits.get(f"/api/launches/{said['id']}").status_code == 404
