"""Limits of launches: a class behind one address never meets them, a loop does."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from launcher.launch import Opened
from launcher.launches import Launches
from launcher.session import Session
from launcher.web import clicks, errors, launch, rate, request
from launcher.web.clicks import ClickLimits
from launcher.web.rate import RateLimit

OPENED = Opened(Session("ab12", "s", "c", "i", "", 0, "", True), "http://x/s/ab12/lab")
LINK = "/launch?env=gh/o/env@v1&repo=https://github.com/o/r&path=week{}.ipynb"


@pytest.fixture
def limits():
    return ClickLimits(RateLimit(3), RateLimit(20), ("10.0.0.0/8",))


@pytest.fixture
def app(limits, monkeypatch):
    monkeypatch.setattr(launch, "STRAIGHT_IN", 60.0)
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=b"k" * 32, PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    launches = Launches(lambda link, student, tell: OPENED, errors.EXPECTED)
    app.register_blueprint(launch.create_blueprint(launches, lambda image: "", limits))
    errors.register(app)
    return app


def click(browser, week=1, address="192.0.2.1"):
    return browser.get(LINK.format(week), headers={"X-Forwarded-For": address})


def test_a_class_behind_one_address_is_never_in_the_way(app):
    for _ in range(20):
        student = app.test_client()
        assert [click(student).status_code for _ in range(30)] == [303] * 30
    answer = click(app.test_client())
    assert answer.status_code == 429
    assert "from your network address" in answer.text
    assert click(app.test_client(), address="192.0.2.2").status_code == 303
    assert click(app.test_client(), address="192.0.2.1, 10.1.1.1").status_code == 429


@pytest.mark.usefixtures("no_time_passes")
def test_a_student_who_begins_too_many_is_told_when_to_come_back(app):
    student = app.test_client()
    assert [click(student, week).status_code for week in (1, 2, 3)] == [303] * 3
    answer = click(student, 4)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "3600"
    assert "3 launches were begun by you within an hour" in answer.text
    assert re.search(r"again at \d\d:\d\d, in 60 min", answer.text)
    assert click(student, 2).status_code == 303, "what was begun goes on"
    program = student.get(LINK.format(5), headers={"Accept": "application/json"})
    assert (program.status_code, program.json["error"]["code"]) == (429, "E-MANY")


def test_a_limit_of_zero_is_none(app, limits):
    limits.per_student.limit = limits.per_address.limit = 0
    student = app.test_client()
    assert all(click(student, week).status_code == 303 for week in range(40))


def test_what_is_remembered_is_bounded(app, limits, monkeypatch):
    monkeypatch.setattr(clicks, "MOST", 5)
    monkeypatch.setattr(rate, "MOST", 4)
    limits.per_address.limit = 1000
    for number in range(12):
        assert click(app.test_client(), address=f"192.0.2.{number}").status_code == 303
    assert len(limits._counted) == 5
    assert len(limits.per_student._counts) == len(limits.per_address._counts) == 4
    limits.per_address.limit = 1
    assert click(app.test_client(), address="192.0.2.11").status_code == 429, "the newest are known"
