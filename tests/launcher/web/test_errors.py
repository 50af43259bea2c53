"""Each page that says what went wrong, as it is rendered: a code that the guide knows, an id."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request
from flask import Flask, abort

from launcher.gateway import pages
from launcher.people import identity
from launcher.web import errors, request

SECRET = b"k" * 32
STUDENT = "0123456789abcdef0123"
CODE = identity.code_of(SECRET, STUDENT)
GUIDE = Path(__file__).parents[3] / "docs" / "troubleshooting.md"
STATUSES = (400, 403, 404, 405, 408, 413, 415, 429, 500)
AGAIN = errors.AGAIN


@pytest.fixture
def browser():
    """A student's, of an app whose every page goes wrong in a way of its own."""
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=SECRET, PUBLIC_URL="http://x")
    app.before_request(request.begin)
    app.after_request(request.finish)
    errors.register(app)

    @app.get("/status/<int:status>")
    def status(status):
        abort(status)

    @app.get("/error/<name>")
    def error(name):
        raise next(kind for kind in errors.TABLE if kind.__name__ == name)("It went wrong.")

    browser = app.test_client()
    browser.set_cookie(identity.COOKIE, identity.sign_student(SECRET, STUDENT))
    return browser


def check(page, code=""):
    """The code on a page has one entry in the guide, and an id is beside it."""
    text = html.unescape(page)
    (said,) = re.findall(r"\b(E-[A-Z0-9-]+)(?=: |, id)", text)
    assert re.search(r"\bid [0-9a-f]{16}\b", text)
    assert code in ("", said)
    assert GUIDE.read_text().count(f"## {said}\n") == 1, said


@pytest.mark.parametrize("status", STATUSES)
def test_a_page_for_a_status_says_what_helps(browser, status):
    answer = browser.get(f"/status/{status}", headers={"Accept": "text/html"})
    assert answer.status_code == status
    check(answer.text, f"E-{status}")
    assert f"student {CODE}" in answer.text
    assert (AGAIN in answer.text) is (status in (408, 429, 500))


@pytest.mark.parametrize("kind", ["ContentNotFound", "UnknownBranch", "ContentFailed"])
def test_who_cannot_get_the_course_files_is_led_to_their_own_work(browser, kind):
    page = browser.get(f"/error/{kind}", headers={"Accept": "text/html"}).text
    assert errors.OWN_WORK in page
    assert 'href="/sessions">My sessions' in page.partition("What you can do")[2]


@pytest.mark.parametrize("kind", [one.__name__ for one in errors.TABLE])
def test_a_page_for_an_error_of_ours_has_code_id_and_student(browser, kind):
    answer = browser.get(f"/error/{kind}", headers={"Accept": "text/html"})
    if answer.status_code == 303:  # to the page to sign in at
        return
    check(answer.text)
    assert f"student {CODE}" in answer.text


def test_the_gateway_s_own_pages_have_code_and_id():
    asked = make_mocked_request("GET", "/s/x/lab", headers={"Accept": "text/html"})
    number = "0123456789abcdef"
    check(pages.starting(number).text, "E-503")
    check(pages.not_here(asked, "https://home.example", number).text, "E-404")
    refused = pages.refused(asked, "It is not yours.", number, student=CODE).text
    check(refused, "E-OWNER")
    assert f"student {CODE}" in refused
