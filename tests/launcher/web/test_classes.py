"""Planning a class on its page and by API: instructors may, and read first whether it fits."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from flask import Flask
from markupsafe import escape

from envs.channels import Channels
from launcher.classes.classes import Classes
from launcher.classes.times import read_weekly
from launcher.database import Database
from launcher.environment import environment_of
from launcher.links.preflight import Check
from launcher.people.audit import Audit
from launcher.people.people import People, Role
from launcher.room.capacity import GB, MB, Capacity, Plan
from launcher.room.measured import Measured
from launcher.settings.entries import CatalogueEntry
from launcher.web import classes, errors, request

WEEKLY = [{"day": "tue", "time": "10:00", "env": "intro", "students": 7}]
CLASS = {"env": "intro", "students": "20", "at": "2099-11-24T10:00", "repo": "https://h.org/c"}


class Site:
    def __init__(self, folder):
        database = Database.of(folder)
        self.people, self.audit = People(database), Audit(database)
        self.catalogue = {"intro": CatalogueEntry("https://h.org/intro", "v1")}
        capacity = Capacity(Plan(8 * GB, 384 * MB, GB), Measured(None))
        self.classes = Classes(database, read_weekly(WEEKLY))
        self.app = app = Flask("launcher.web", template_folder="templates", static_folder="static")
        app.config.update(SECRET=b"x" * 32, PUBLIC_URL="http://l.org", TESTING=True)
        app.extensions["people"] = self.people
        app.before_request(request.begin)
        app.after_request(request.finish)
        app.jinja_env.filters["clock"] = request.clock
        planning = classes.Planning(self.classes, self, capacity, self.audit, self.look)
        app.register_blueprint(classes.create_blueprint(planning))
        errors.register(app)
        token = self.people.add("ann", Role.INSTRUCTOR)
        self.ann = {"Authorization": f"Bearer {token}"}

    def of(self, link):
        return environment_of(link, self.catalogue, Channels(Path("/nowhere")))

    def look(self, link):
        found = link.repo == "https://h.org/c"
        return [Check("content", "ok" if found else "fail", f"{link.repo} at {link.branch}")]


def test_the_page_says_which_clock_it_goes_by(client, site, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        page = client.get("/classes", headers=site.ann)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert re.search(r"where it is \d\d:\d\d JST", page.text)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture
def client(site):
    return site.app.test_client()


def test_a_class_is_planned_listed_and_cancelled_by_api(site, client):
    made = client.post("/api/classes", json=CLASS | {"lasts": "30m"}, headers=site.ann)
    assert (made.status_code, made.json["lasts"]) == (201, 1800)
    assert (made.json["forecast"]["verdict"], made.json["forecast"]["most"]) == ("tight", 21)
    found = client.get("/api/classes", headers=site.ann).json["classes"]
    assert [one["students"] for one in found] == [7, 20]
    where = f"/api/classes/{made.json['id']}"
    assert client.delete(where, headers=site.ann).json == {"cancelled": made.json["id"]}
    assert client.delete(where, headers=site.ann).status_code == 404
    deeds = [(one.who, one.what, one.target) for one in site.audit.last()]
    assert deeds == [("ann", "class cancelled", "1"), ("ann", "class planned", "intro")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "/classes"),
        ("get", "/api/classes"),
        ("get", "/api/classes/forecast?env=intro&students=5"),
        ("post", "/api/classes"),
        ("delete", "/api/classes/1"),
        ("post", "/classes"),
    ],
)
def test_it_takes_an_instructor(site, client, method, path):
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        answer = client.open(path, method=method.upper(), json=CLASS, headers=headers)
        assert answer.status_code in (302, 303, 401, 403)
    assert len(site.classes.coming(0.0)) == 1


def test_the_page_says_whether_it_fits_before_anything_is_planned(site, client):
    page = client.get("/classes", query_string=CLASS | {"students": "40"}, headers=site.ann)
    assert "Too many" in page.text
    assert "At most 21 fit" in page.text
    assert "Plan it all the same" in page.text
    assert 'name="repo" value="https://h.org/c"' in page.text
    assert len(site.classes.coming(0.0)) == 1
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    answer = client.post("/classes", data=fields, headers=site.ann)
    assert answer.status_code == 303
    page = client.get("/classes", headers=site.ann).text
    assert "40 of intro" in page
    assert "each week, in the settings" in page
    assert client.post("/classes/1/cancel", headers=site.ann).status_code == 303
    assert "40 of intro" not in client.get("/classes", headers=site.ann).text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"env": ""}, "environment is missing"),
        ({"env": "none"}, "no environment called"),
        ({"env": "<b>x</b>"}, "&lt;b&gt;"),
        ({"students": ""}, "How many come?"),
        ({"students": "many"}, "no number of students"),
        ({"students": "0"}, "no number of students"),
        ({"students": "9" * 30}, "no number of students"),
        ({"at": "soon"}, "is no time"),
        ({"at": "2020-01-01T10:00"}, "That time is over"),
        ({"lasts": "long"}, "not a time"),
        ({"repo": "my course"}, "is not an https or ssh address"),
        ({"branch": "--x"}, "cannot be a branch"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_that_was_typed_is_lost(site, client, change, said):
    (field,) = change
    asked = client.get("/classes", query_string=CLASS | change, headers=site.ann)
    sent = client.post("/classes", data=CLASS | change, headers=site.ann)
    for page in (asked, sent):
        assert page.status_code == 400
        assert said in page.text
        assert 'role="alert"' in page.text
        for name, value in (CLASS | change).items():
            assert f'name="{name}" type' in page.text
            assert f'value="{escape(value)}"' in page.text
        wrong = re.findall(r'<input id="(\w+)"[^>]* aria-invalid="true" autofocus', page.text)
        assert wrong == [field]
        assert f'href="#{field}"' in page.text
    answer = client.post("/api/classes", json=CLASS | change, headers=site.ann)
    assert (answer.status_code, answer.json["error"]["field"]) == (400, field)
    assert answer.json["error"]["message"]
    assert client.post("/api/classes", json=[1], headers=site.ann).status_code == 400
    late = client.post("/api/classes", json=CLASS | {"at": "2020-01-01T10:00"}, headers=site.ann)
    assert late.json["error"]["code"] == "E-CLASS"


def test_a_number_that_no_database_knows_is_no_class(site, client):
    for number in (2**31, 2**63, 10**40):
        assert client.delete(f"/api/classes/{number}", headers=site.ann).status_code == 404


def test_the_content_is_looked_at_before_a_class_is_planned(site, client):
    page = client.get("/classes", query_string=CLASS | {"students": "5"}, headers=site.ann).text
    assert '<span class="mark">✓ ok</span> https://h.org/c' in page
    assert "Plan this class" in page
    wrong = CLASS | {"students": "5", "repo": "https://h.org/other"}
    page = client.get("/classes", query_string=wrong, headers=site.ann).text
    assert '<span class="mark">✗ fail</span> https://h.org/other' in page
    assert "Plan it all the same" in page


def test_a_page_of_the_git_host_is_the_repository_that_links_name(site, client):
    pasted = CLASS | {"repo": "https://github.com/org/course/blob/dev/week1.ipynb"}
    made = client.post("/api/classes", json=pasted, headers=site.ann).json
    assert (made["repo"], made["branch"]) == ("https://github.com/org/course", "dev")
