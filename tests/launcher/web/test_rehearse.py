"""The Rehearse button over HTTP: only from our own page, not too often, with and without script."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from launcher.rehearsal.rehearsal import Rehearsal, Rehearsals
from launcher.rehearsal.rehearsing import Rehearsing
from launcher.web import errors, rehearse, request
from launcher.web.rate import RateLimit
from link_generator import page
from tests.waiting import wait_for

LINK = "/launch?env=gh/org/env@v1&repo=https://github.com/org/course&path=a.ipynb"
JSON = {"Accept": "application/json"}
FAILED = Rehearsal(1.7e9, 2.0, False, 1, "Cell 3: The cell raised NameError: <b>x</b>")


@pytest.fixture
def kept(tmp_path):
    return Rehearsals(tmp_path / "rehearsals")


@pytest.fixture
def browser(kept):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=b"k" * 32, PUBLIC_URL="https://me.org")
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.jinja_env.filters["moment"] = request.moment
    app.register_blueprint(
        page.create_blueprint(
            public_url="https://me.org", catalogue={}, form_token=request.csrf_token
        )
    )
    rehearsing = Rehearsing(lambda link, say: FAILED, kept)
    app.register_blueprint(rehearse.create_blueprint(rehearsing, RateLimit(3), ()))
    errors.register(app)
    return app.test_client()


def token(browser):
    text = browser.get(f"/?repo={LINK.replace('&', '%26')}").text
    return re.search(r'name="csrf" value="(\w+)"', text)[1]


def test_a_form_of_another_site_starts_nothing(browser, kept):
    assert browser.post("/rehearsals", data={"link": LINK}).status_code == 403
    given = token(browser)
    stranger = browser.application.test_client()
    assert stranger.post("/rehearsals", data={"link": LINK, "csrf": given}).status_code == 403
    assert not kept.folder.exists()


def test_without_a_script_a_page_looks_again_until_it_is_done(browser):
    answer = browser.post("/rehearsals", data={"link": LINK, "csrf": token(browser)})
    assert answer.status_code == 303
    where = answer.headers["Location"]
    text = wait_for(lambda: "NameError" in (t := browser.get(where).text) and t, 60, 0.01)
    assert "Cell 3: The cell raised NameError: &lt;b&gt;x&lt;/b&gt;" in text
    assert 'http-equiv="refresh"' not in text
    assert "<title>Rehearsal failed</title>" in text
    back = re.search(r'href="(/\?repo=[^"]+)"', text)[1].replace("&amp;", "&")
    assert 'value="gh/org/env"' in browser.get(back).text


def test_a_script_follows_it(browser, kept):
    run = browser.post("/rehearsals", data={"link": LINK, "csrf": token(browser)}, headers=JSON)
    where = f"/api/rehearsals/{run.json['id']}"
    said = wait_for(lambda: (a := browser.get(where).json)["state"] == "done" and a, 60, 0.01)
    assert said["sentence"] == FAILED.error
    assert said["result"]["ok"] is False
    assert len(list(kept.folder.glob("*.json"))) == 1
    assert browser.get("/rehearsals/unknown").status_code == 404


def test_what_is_no_link_is_refused(browser):
    data = {"link": "/launch?repo=https://h/r", "csrf": token(browser)}
    assert browser.post("/rehearsals", data=data).status_code == 400
    data["link"] = "file:///etc/passwd"
    assert browser.post("/rehearsals", data=data).status_code == 400


@pytest.mark.usefixtures("no_time_passes")
def test_one_address_does_not_rehearse_all_day(browser):
    data, headers = {"link": LINK, "csrf": token(browser)}, {"X-Forwarded-For": "192.0.2.1"}
    answers = [browser.post("/rehearsals", data=data, headers=headers) for _ in range(4)]
    assert [one.status_code for one in answers] == [303, 303, 303, 429]
    assert "Try again in 60 min" in answers[3].text
    assert errors.AGAIN not in answers[3].text
    assert answers[3].headers["Retry-After"] == "3600"
    other = {"X-Forwarded-For": "192.0.2.2"}
    assert browser.post("/rehearsals", data=data, headers=other).status_code == 303
