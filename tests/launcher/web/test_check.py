"""The checklist as JSON: of a whole link or of the form's fields; a wrong one names its field."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from flask import Flask

from launcher.links.preflight import Check
from launcher.web import check, errors, request
from launcher.web.looks import limit_looks
from launcher.web.rate import RateLimit
from link_generator import page


class Looked:
    def __init__(self):
        self.links = []
        self.state = "warn"

    def check(self, link):
        self.links.append(link)
        return [Check("environment", self.state, "Environment v1 is not built yet")]


@pytest.fixture
def looked():
    return Looked()


@pytest.fixture
def client(looked):
    app = Flask("launcher.web", template_folder="templates")
    app.config.update(SECRET_KEY=b"x", PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(check.create_blueprint(looked))
    errors.register(app)
    return app.test_client()


@pytest.mark.parametrize(
    "query",
    [
        {"env": "intro@v1", "repo": "https://h.org/a/b", "path": "x.ipynb"},
        {"url": "https://l.org/launch?env=intro@v1&repo=https://h.org/a/b&path=x.ipynb"},
    ],
    ids=["fields", "link"],
)
def test_a_link_is_checked_by_its_fields_or_its_address(client, looked, query):
    said = client.get("/api/check", query_string=query).json
    assert said["usable"]
    assert said["checks"][0]["state"] == "warn"
    (link,) = looked.links
    assert (link.env, link.tag, link.repo, link.path) == (
        "intro", "v1", "https://h.org/a/b", "x.ipynb"
    )  # fmt: skip
    looked.state = "fail"
    assert not client.get("/api/check", query_string=query).json["usable"]


def test_what_cannot_be_a_link_is_not_looked_at(client, looked):
    query = {"env": "intro", "repo": "https://me:secret@h.org/a/b"}
    answer = client.get("/api/check", query_string=query)
    assert answer.status_code == 400
    assert answer.json["error"]["field"] == "repo"
    assert not looked.links


def test_looks_of_one_address_are_limited_and_other_pages_are_not(looked):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET_KEY=b"x", PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.jinja_env.filters["moment"] = request.moment
    choices = SimpleNamespace(environments=tuple, names=lambda _repo: ())
    limit = RateLimit(3)
    for views in (
        page.create_blueprint(public_url="http://x", catalogue={}, choices=choices,
                              check=looked.check, form_token=request.csrf_token),
        check.create_blueprint(looked),
    ):  # fmt: skip
        app.register_blueprint(limit_looks(views, limit, ["10.0.0.0/8"]))
    errors.register(app)
    client = app.test_client()

    def get(url, address="192.0.2.1"):
        return client.get(url, headers={"X-Forwarded-For": f"{address}, 10.0.0.1"})

    link = "env=gh/org/env@v1&repo=https://github.com/org/course"
    assert get("/api/choices/environments").status_code == 200
    assert get(f"/?{link}&check=1").status_code == 200
    assert get(f"/api/check?{link}").status_code == 200
    for url in ("/api/choices/environments", f"/?{link}&check=1", f"/api/check?{link}"):
        answer = get(url)
        assert answer.status_code == 429
        assert "Try again in 60 min" in answer.text
    assert get(f"/api/check?{link}", "192.0.2.2").status_code == 200
    assert [get(url).status_code for url in ("/", f"/api/link?{link}")] == [200, 200]
    assert len(looked.links) == 3
