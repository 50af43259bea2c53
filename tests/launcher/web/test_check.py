"""The checklist as JSON: of a whole link or of the form's fields; a wrong one names its field."""

from __future__ import annotations

import contextlib

import pytest
from flask import Flask

from launcher.links.preflight import Check
from launcher.web import check, errors, request
from launcher.web.looks import CountedChoices, Looks
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
    app.config.update(SECRET=b"x", PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(check.create_blueprint(looked.check))
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


class Offering:
    """Choices of which some are asked for; each asks a git host."""

    def __init__(self):
        self.asked = []

    def environments(self):
        return []

    def names(self, repo):
        self.asked.append(repo)
        return ("main",)

    def commit(self, repo, _branch):
        self.asked.append(repo)
        return "a" * 40

    versions = branches = files = apps = None


@pytest.fixture
def offering():
    return Offering()


@pytest.fixture
def looks():
    return Looks(RateLimit(3), ["10.0.0.0/8"])


@pytest.fixture
def get(looked, offering, looks):
    """Asks the pages that look, from a network address."""
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=b"x", PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.jinja_env.filters["moment"] = request.moment
    checked = looks.counted(looked.check)
    choices = CountedChoices(offering, looks)
    app.register_blueprint(
        page.create_blueprint(public_url="http://x", catalogue={}, choices=choices,
                              check=checked, form_token=request.csrf_token),
    )  # fmt: skip
    app.register_blueprint(check.create_blueprint(checked))
    errors.register(app)
    client = app.test_client()

    def get(url, address="192.0.2.1"):
        return client.get(url, headers={"X-Forwarded-For": f"{address}, 10.0.0.1"})

    return get


LINK = "env=gh/org/env@v1&repo=https://github.com/org/course"


@pytest.mark.usefixtures("no_time_passes")
def test_looks_of_one_address_are_limited_and_other_pages_are_not(get, looked):
    assert get("/api/choices/environments").status_code == 200
    assert get(f"/?{LINK}&check=1").status_code == 200
    assert get(f"/api/check?{LINK}").status_code == 200
    for url in ("/api/choices/environments", f"/?{LINK}&check=1", f"/api/check?{LINK}"):
        answer = get(url)
        assert answer.status_code == 429
        assert "Try again in 60 min" in answer.text
        assert errors.AGAIN not in answer.text
        assert answer.headers["Retry-After"] == "3600"
    assert get(f"/api/check?{LINK}", "192.0.2.2").status_code == 200
    assert [get(url).status_code for url in ("/", f"/api/link?{LINK}")] == [200, 200]
    assert len(looked.links) == 3


TREE = "env=gh/org/env@v1&repo=https://github.com/org/course/blob/main/wk1/a.ipynb"
ASKING = [
    f"/?{LINK}&pin=1",
    f"/api/link?{LINK}&pin=1",
    f"/api/link?{TREE}",
    f"/api/link/everywhere?{TREE}",
    f"/api/link/qr.svg?{TREE}",
    "/api/link?env=https://github.com/org/env/tree/main/sub",
]


@pytest.mark.parametrize("url", ASKING)
def test_whatever_asks_a_git_host_is_a_look(get, offering, url):
    assert [get(url).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert len(offering.asked) == 3


@pytest.mark.parametrize("url", [*ASKING, f"/api/check?{LINK}"])
def test_slow_git_hosts_hold_few_threads(get, offering, looked, looks, url):
    with contextlib.ExitStack() as held:
        for _ in range(16):
            looks.places.acquire()
            held.callback(looks.places.release)
        busy = get(url)
        assert busy.status_code == 503
        assert "E-BUSY" in busy.text
        assert not offering.asked
        assert not looked.links
    assert get(url).status_code == 200
