"""The page of a class that runs: for instructors, and for the script of a page of theirs."""

from __future__ import annotations

import csv
import re

import pytest
from flask import Flask

from envs.sizes import human
from launcher.board import Row
from launcher.database import Database
from launcher.people.people import People, Role
from launcher.web import board, errors, login, request
from launcher.web.rate import RateLimit

COURSE, OTHER = "intro-12345678", "other-12345678"
ROWS = [
    Row("K7QP2", "failed", "<b>no</b> such file", 1.0, "JupyterLab"),
    Row("AB2CD", "in", "A notebook is open", 1.0, "JupyterLab", "env/intro:1", "a1b2c3d", 5.0, 300),
]


class FakeBoard:
    def rows(self, course):
        return ROWS if course == COURSE else []


@pytest.fixture
def site(tmp_path):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=b"x" * 32, PUBLIC_URL="http://l.org", TESTING=True)
    app.extensions["people"] = People(Database.of(tmp_path))
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.jinja_env.filters["human"] = human
    app.register_blueprint(board.create_blueprint(FakeBoard()))
    people = app.extensions["people"]
    app.register_blueprint(login.create_blueprint(people, None, (), RateLimit(0)))
    errors.register(app)
    return app


@pytest.fixture
def ann(site):
    token = site.extensions["people"].add("ann", Role.INSTRUCTOR)
    return {"Authorization": f"Bearer {token}"}


def test_the_page_counts_who_is_in_and_escapes_what_it_says(site, ann):
    page = site.test_client().get(f"/classes/{COURSE}", headers=ann).text
    assert "<title>In 1, Failed 1 – intro</title>" in page
    assert "&lt;b&gt;no&lt;/b&gt; such file" in page
    assert page.index("K7QP2") < page.index("AB2CD")
    empty = site.test_client().get(f"/classes/{OTHER}", headers=ann).text
    assert "Nobody has opened a link" in empty


@pytest.mark.parametrize("path", ["", "/now", "/csv"])
def test_it_takes_an_instructor(site, path):
    client = site.test_client()
    assert client.get(f"/classes/{COURSE}{path}").status_code in (303, 401)
    assert client.get(f"/api/classes/{COURSE}").status_code == 401


def test_the_pages_own_script_follows_this_course_and_no_other(site, ann):
    client = site.test_client()
    page = client.get(f"/classes/{COURSE}", headers=ann).text
    key = {"X-Board-Key": re.search(r'data-key="([^"]+)"', page)[1], "Sec-Fetch-Dest": "empty"}
    now = client.get(f"/classes/{COURSE}/now", headers=key)
    assert now.status_code == 200
    assert "K7QP2" in now.text
    assert client.get(f"/classes/{OTHER}/now", headers=key).status_code in (303, 401)
    assert client.get(f"/api/classes/{COURSE}", headers=key).status_code == 401
    site.extensions["people"].remove("ann")
    assert client.get(f"/classes/{COURSE}/now", headers=key).status_code in (303, 401)


def test_a_table_for_spreadsheets_and_json_for_programs(site, ann):
    client = site.test_client()
    answer = client.get(f"/classes/{COURSE}/csv", headers=ann)
    assert f'filename="{COURSE}.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(answer.text.splitlines()))
    assert rows[1]["memory"] == "300"
    assert rows[1]["used"] == "1970-01-01T00:00:05+00:00"
    assert rows[0]["used"] == ""
    students = client.get(f"/api/classes/{COURSE}", headers=ann).json["students"]
    assert [one["state"] for one in students] == ["failed", "in"]


@pytest.mark.parametrize("course", ["intro", "intro-1234567g", "INTRO-12345678", "%2e%2e"])
def test_what_no_course_is_called_is_a_404(site, ann, course):
    assert site.test_client().get(f"/classes/{course}", headers=ann).status_code == 404
