"""The checklist as JSON: of a whole link or of the form's fields; a wrong one names its field."""

from __future__ import annotations

import pytest
from flask import Flask

from launcher.links.preflight import Check
from launcher.web import check, errors, request


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
