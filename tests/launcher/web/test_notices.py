"""What a student is told over HTTP: their own sessions only, while running and after."""

from __future__ import annotations

import time

import pytest
from flask import Flask

from envs.sizes import human
from launcher.people import identity
from launcher.session import Limits
from launcher.sessions.notices import ENDING, Notice, Notices
from launcher.web import errors, notices, request
from launcher.web.concurrency import ConcurrencyLimit
from tests.fakes import fake_sessions

SECRET = b"k" * 32
MB = 1024**2
OWNER, OTHER = "0123456789abcdef0123", "3210fedcba9876543210"


@pytest.fixture
def sessions(tmp_path):
    return fake_sessions(tmp_path, secret=SECRET, limits=Limits(1, 1, 1, disk=10 * MB))


@pytest.fixture
def told():
    return Notices()


@pytest.fixture
def limit():
    return ConcurrencyLimit()


@pytest.fixture
def app(sessions, told, limit):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=SECRET, PUBLIC_URL="http://x", TESTING=True)
    app.jinja_env.filters.update(moment=request.moment, human=human)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(notices.create_blueprint(sessions, sessions.history, told, limit))
    errors.register(app)
    return app


@pytest.fixture
def spec(sessions):
    return sessions.ensure(OWNER, "course-1", "image", "/launch?env=x", lambda _: None)[0]


def browser(app, student):
    client = app.test_client()
    client.set_cookie(identity.COOKIE, identity.sign_student(SECRET, student))
    return client


def test_the_owner_is_told_and_nobody_else(app, spec, told):
    told.put(spec.id, Notice(ENDING, "It stops.", time.time(), mark="m", keep=True))
    answer = browser(app, OWNER).get(f"/api/sessions/{spec.id}/notices").json
    assert answer["running"]
    assert answer["notices"] == [
        {"id": "ending-m", "kind": "ending", "text": "It stops.", "keep": True, "href": "",
         "label": ""}
    ]  # fmt: skip
    for path in ("notices", "disk"):
        url = f"/api/sessions/{spec.id}/{path}"
        assert browser(app, OTHER).get(url).status_code == 404
        assert app.test_client().get(url).status_code == 404


def test_a_session_that_ended_says_why(app, sessions, spec, told):
    told.put(spec.id, Notice(ENDING, "It stops.", time.time()))
    sessions.stop(spec.id, why="it was not used for 10 min")
    answer = browser(app, OWNER).get(f"/api/sessions/{spec.id}/notices").json
    assert answer == {"notices": [], "running": False, "why": "it was not used for 10 min"}


def test_inside_a_session_who_was_let_in_by_the_gateway_is_told_and_nobody_else(
    app, sessions, spec, told
):
    told.put(spec.id, Notice(ENDING, "It stops.", time.time()))
    url = f"/s/{spec.id}/_launcher/notices"
    let_in = {"X-Launcher-Let-Into": spec.id}
    nobody = app.test_client()
    assert [one["text"] for one in nobody.get(url, headers=let_in).json["notices"]] == ["It stops."]
    for headers in ({}, {"X-Launcher-Let-Into": ""}, {"X-Launcher-Let-Into": "ab" * 12}):
        assert nobody.get(url, headers=headers).status_code == 404
        assert browser(app, OWNER).get(url, headers=headers).status_code == 404
    unknown = "ab" * 12
    url = f"/s/{unknown}/_launcher/notices"
    assert nobody.get(url, headers={"X-Launcher-Let-Into": unknown}).status_code == 404
    disk = f"/api/sessions/{spec.id}/disk"
    assert nobody.get(disk, headers=let_in).status_code == 404, "that is at the launcher's host"


def test_the_largest_files_of_a_full_folder_are_listed_even_when_it_does_not_run(
    app, sessions, spec
):
    (spec.home / "model<b>.bin").write_bytes(b"x" * 11 * MB)
    (spec.home / "notes.txt").write_bytes(b"x")
    sessions.stop(spec.id, why="it was full")
    client = browser(app, OWNER)
    page = client.get(f"/sessions/{spec.id}/disk", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "E-DISK" in page.text
    assert "11 MB of 10 MB" in page.text
    assert page.text.index("model&lt;b&gt;.bin") < page.text.index("notes.txt")
    assert "/launch?env=x" in page.text
    found = client.get(f"/api/sessions/{spec.id}/disk").json
    assert found["limit"] == 10 * MB
    assert [one["path"] for one in found["files"]] == ["model<b>.bin", "notes.txt"]


def test_looks_at_a_full_folder_cannot_take_all_threads(app, spec, limit):
    url = f"/api/sessions/{spec.id}/disk"
    with limit.held_by(OWNER):
        busy = browser(app, OWNER).get(url)
        assert (busy.status_code, busy.json["error"]["code"]) == (503, "E-BUSY")
        assert int(busy.headers["Retry-After"]) > 0
    assert browser(app, OWNER).get(url).status_code == 200
