"""Work without a session, over HTTP: one's own comes as a zip or goes, and nobody else's."""

from __future__ import annotations

import io
import time
import zipfile

import pytest
from flask import Flask

from envs.sizes import human
from launcher.cleanup.kept_work import KeptWork
from launcher.database import Database
from launcher.homes.bin import Bin
from launcher.people import identity
from launcher.people.audit import Audit
from launcher.sessions.history import History
from launcher.web import errors, kept_work, request, sessions
from tests.fakes import fake_sessions

SECRET = b"k" * 32
COURSE = "intro-0a1b2c3d"


@pytest.fixture
def work(tmp_path):
    database = Database.of(tmp_path)
    every = fake_sessions(tmp_path, history=History(database), secret=SECRET)
    bin_ = Bin(tmp_path / "bin", every.homes)
    return KeptWork(every, bin_, Audit(database), keep_days=30, bin_days=14)


@pytest.fixture
def app(work):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=SECRET, PUBLIC_URL="http://x", TESTING=True)
    app.jinja_env.filters.update(moment=request.moment, day=request.day, human=human)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(sessions.create_blueprint(work.sessions, work.sessions.history, work))
    app.register_blueprint(kept_work.create_blueprint(work))
    errors.register(app)
    return app


def browser_of(app, student):
    client = app.test_client()
    client.set_cookie(identity.COOKIE, identity.sign_student(SECRET, student))
    return client


@pytest.fixture
def student(app, work):
    """A student whose session has ended."""
    spec, _ = work.sessions.ensure("s1", COURSE, "image", "/launch?env=x", lambda _: None)
    (spec.home / "week1.ipynb").write_text("mine")
    work.sessions.stop(spec.id, why="test")
    return browser_of(app, "s1")


def post(browser, address="/files/delete", **form):
    csrf = browser.get("/api/sessions").json["csrf"]
    return browser.post(address, data={"csrf": csrf, **form})


def with_days(ask, after=0):
    """What is answered, and what the day is so many days later: it may be midnight meanwhile."""
    before = time.time()
    answer = ask()
    return answer, {request.day(at + after * 86400) for at in (before, time.time())}


def test_the_page_says_until_when_work_is_kept(student):
    page, days = with_days(lambda: student.get("/sessions").text, after=30)
    assert any(f"Kept until {day}" in page for day in days)
    (kept,) = student.get("/api/sessions").json["kept"]
    assert (kept["title"], kept["link"]) == ("intro", "/launch?env=x")


def test_work_comes_as_a_zip_while_the_session_is_stopped(student):
    (kept,) = student.get("/api/sessions").json["kept"]
    answer, days = with_days(lambda: student.get(kept["download"]))
    said = answer.headers["Content-Disposition"]
    today = next(day.split()[-1] for day in days if day.split()[-1] in said)
    assert said == f'attachment; filename="intro-{today}.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.read(f"intro-{today}/week1.ipynb") == b"mine"


def test_a_download_that_was_broken_off_does_not_keep_the_next_one_out(student):
    with student.get(f"/files/{COURSE}/download", buffered=False) as first:
        assert student.get(f"/files/{COURSE}/download").status_code == 503
        first.close()
    assert student.get(f"/files/{COURSE}/download").status_code == 200


@pytest.mark.parametrize("course", [COURSE, "..", "%2e%2e", ".delivered-x", "nothing", "s1"])
def test_nobody_gets_or_deletes_the_work_of_another(app, work, student, course):
    for other in (browser_of(app, "s2"), browser_of(app, "../s1"), app.test_client()):
        assert other.get(f"/files/{course}/download").status_code == 404
        assert other.get("/files/delete", query_string={"course": course}).status_code == 404
        assert post(other, course=course).status_code == 404
        assert post(other, everything="yes").status_code == 303
    assert work.sessions.homes.courses("s1") == [COURSE]


def test_deleting_asks_first_and_then_does_it(student, work):
    page, days = with_days(lambda: student.get(f"/files/delete?course={COURSE}").text, after=14)
    assert "Delete your work in intro?" in page
    assert any(day in page for day in days)
    assert post(student).status_code == 400
    assert work.sessions.homes.courses("s1") == [COURSE]
    assert post(student, course=COURSE).location == "/sessions"
    assert work.sessions.homes.courses("s1") == []
    assert [one.student for one in work.bin.all()] == ["s1"]
    assert work.audit.last()[0].who == "a student"


def test_a_program_without_a_student_deletes_nothing(app, student, work):
    """A token in a header stands in for the form's own secret, and names no student."""
    program = {"Authorization": "Bearer of-nobody"}
    for path in ("/files/delete", "/api/files/delete"):
        answer = app.test_client().post(path, data={"everything": "yes"}, headers=program)
        assert answer.status_code in (200, 303), answer.text
    assert work.sessions.homes.courses("s1") == [COURSE]
    assert work.bin.all() == []


def test_all_my_data(student, work):
    assert "Delete all your data?" in student.get("/files/delete").text
    removed = post(student, "/api/files/delete", everything="yes").json["removed"]
    assert [one["course"] for one in removed] == [COURSE]
    assert work.sessions.history.all() == []
    assert "no files of yours" in student.get("/files/delete").text


def test_work_in_use_is_not_deleted(student, work):
    spec, _ = work.sessions.ensure("s1", COURSE, "image", "/launch?env=x", lambda _: None)
    for form in ({"course": COURSE}, {"everything": "yes"}):
        answer = post(student, **form)
        assert answer.status_code == 409
        assert "Stop it under My sessions" in answer.text
        assert '<a class="button primary" href="/sessions">My sessions</a>' in answer.text
    assert (spec.home / "week1.ipynb").exists()
    assert student.get(f"/files/{COURSE}/download").status_code == 200


def test_a_browser_that_lost_its_cookie_is_told_the_way_back(student):
    page = student.get("/files/none-12345678/download").text
    assert "Open the link that you were given" in page
    assert 'href="/sessions">My sessions</a>' in page
    nowhere = student.get("/nothing").text
    assert "No page of this server has that address." in nowhere
    assert "Make a launch link" in nowhere
