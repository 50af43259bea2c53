"""The page at a session's address where the gateway has no answer from the session."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from flask import Flask

from launcher.errors import NoRuntime
from launcher.people import identity
from launcher.web import errors, request, sessions
from tests.fakes import fake_sessions
from tests.launcher.web.test_errors import check

SECRET = b"k" * 32
OWNER = "0123456789abcdef0123"
LINK = "/launch?env=x"


@pytest.fixture
def scene(tmp_path):
    """Sessions, the id of one that runs, and its student's browser."""
    known = fake_sessions(tmp_path, secret=SECRET)
    spec = known.ensure(OWNER, "course-1", "image", LINK, lambda _: None)[0]
    known.gateway.add_route(spec.id, "", OWNER, "")
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=SECRET, PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(sessions.create_blueprint(known, known.history, SimpleNamespace()))
    errors.register(app)
    browser = app.test_client()
    browser.set_cookie(identity.COOKIE, identity.sign_student(SECRET, OWNER))
    return known, spec.id, browser


def test_one_that_runs_is_not_told_as_stopped(scene):
    _, session, browser = scene
    answer = browser.get(f"/s/{session}/lab/tree/course/ä b.ipynb")
    assert answer.status_code == 503
    assert "does not answer at the moment" in answer.text
    assert "has stopped" not in answer.text
    assert f'href="/s/{session}/lab/tree/course/%C3%A4%20b.ipynb"' in answer.text
    told = browser.get(f"/s/{session}/api", headers={"Accept": "application/json"})
    assert (told.status_code, told.json["error"]["code"]) == (503, "E-SILENT")
    check(answer.text, "E-SILENT")
    assert f"student {identity.code_of(SECRET, OWNER)}" in answer.text


def test_from_the_sessions_host_its_link_is_the_way_back(scene):
    _, session, browser = scene
    answer = browser.get(f"/sessions/{session}/gone")
    assert answer.status_code == 503, "no address of the session, which leads back here"
    assert f'href="{LINK}"' in answer.text


def test_while_the_engine_is_away_nobody_says_that_it_has_stopped(scene, monkeypatch):
    known, session, browser = scene

    def away(_id):
        raise NoRuntime("The engine does not answer.")

    monkeypatch.setattr(known.runtime, "find", away)
    assert "does not answer at the moment" in browser.get(f"/s/{session}/lab").text


@pytest.mark.parametrize("how", ["stopped", "its container ended", "its route is gone"])
def test_one_that_ended_is(scene, how):
    known, session, browser = scene
    if how == "stopped":
        known.stop(session, why="it was not used for 10 min")
    elif how == "its route is gone":
        known.gateway.remove_route(session)
    else:
        known.runtime.rows.clear()
    answer = browser.get(f"/s/{session}/lab")
    assert answer.status_code == 503
    assert "has stopped" in answer.text
    assert "Bring it back" in answer.text
    check(answer.text, "E-GONE")
    assert f"student {identity.code_of(SECRET, OWNER)}" in answer.text
    told = browser.get(f"/s/{session}/lab", headers={"Accept": "application/json"}).json["error"]
    assert (told["code"], len(told["request_id"])) == ("E-GONE", 16)
