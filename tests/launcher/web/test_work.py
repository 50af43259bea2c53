"""A student's work over HTTP: update while running, look back, go back, start over."""

from __future__ import annotations

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
from flask import Flask

from envs.git import Git
from envs.sizes import human
from launcher.asking import Asking
from launcher.cleanup.kept_work import KeptWork
from launcher.content.delivery import Delivery
from launcher.content.mirror import Mirrors
from launcher.content.shipping import LOOK
from launcher.content.undo import Undo
from launcher.homes.bin import Bin
from launcher.launch import Launcher
from launcher.people import identity
from launcher.people.audit import Audit
from launcher.web import errors, kept_work, request, sessions, work
from launcher.web.concurrency import ConcurrencyLimit
from link_generator.content import Content
from link_generator.link import Link, compose_link
from tests.fakes import HereRuntime, fake_sessions
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for

SECRET = b"k" * 32
JSON = {"Accept": "application/json"}


@pytest.fixture
def teacher(tmp_path):
    return Repo.create(tmp_path / "served/course", {"a.txt": "one\ntwo\n", "b.txt": "b\n"})


@pytest.fixture
def server(tmp_path):
    with GitServer(tmp_path / "served") as running:
        yield running


@pytest.fixture
def set_look(monkeypatch):
    """Sets the seconds that a look in a session may take."""

    def set_look(seconds):
        for place in ("launcher.web.work.LOOK", "launcher.content.undo.LOOK"):
            monkeypatch.setattr(place, seconds)

    return set_look


@pytest.fixture
def launcher(tmp_path, server, teacher, set_look):
    """All parts but the engine: sessions run their commands as processes here."""
    set_look(60.0)  # on a busy machine one that is well takes its time
    mirrors = Mirrors(tmp_path / "content", Git(hosts=(server.host,)))
    runtime = HereRuntime()
    return Launcher(
        config=None,
        environments=None,
        mirrors=mirrors,
        delivery=Delivery(mirrors, runtime),
        sessions=fake_sessions(tmp_path, runtime=runtime, secret=SECRET),
        asking=Asking(),
    )


@pytest.fixture
def app(launcher, tmp_path):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=SECRET, PUBLIC_URL="http://x", TESTING=True)
    app.jinja_env.filters.update(moment=request.moment, day=request.day, human=human)
    app.before_request(request.begin)
    app.after_request(request.finish)
    bin_ = Bin(tmp_path / "bin", launcher.sessions.homes)
    kept = KeptWork(
        launcher.sessions, bin_, Audit(launcher.sessions.history.database), keep_days=0, bin_days=14
    )
    app.register_blueprint(
        sessions.create_blueprint(launcher.sessions, kept.sessions.history, kept)
    )
    app.register_blueprint(kept_work.create_blueprint(kept))
    undo = Undo(launcher.sessions.runtime, launcher.mirrors)
    looks, changes = ConcurrencyLimit(), ConcurrencyLimit(patience=30)
    app.register_blueprint(work.create_blueprint(launcher, undo, looks, changes))
    errors.register(app)
    return app


class Browser:
    """A student's browser, and their running session."""

    def __init__(self, app, launcher, student, link):
        self.client = app.test_client()
        self.client.set_cookie(identity.COOKIE, identity.sign_student(SECRET, student))
        self.spec, _ = launcher.sessions.ensure(
            student, "course-1", "image", compose_link(link, ""), lambda _: None
        )
        self.home = self.spec.home
        launcher._deliver(
            link,
            [launcher.mirrors.refresh(one.repo, one.branch) for one in link.contents],
            self.spec,
            lambda _: None,
        )

    def get(self, address):
        return self.client.get(address.replace("ID", self.spec.id))

    def post(self, address, **form):
        csrf = self.get("/api/sessions").json["csrf"]
        return self.client.post(address.replace("ID", self.spec.id), data={"csrf": csrf, **form})


@pytest.fixture
def student(app, launcher, server):
    link = Link(env="gh/o/e", repo=server.url("course"))
    return Browser(app, launcher, "s1", link)


def test_an_update_brings_the_push_into_the_running_session(student, teacher):
    (student.home / "course/a.txt").write_text("one\ntwo\nmine\n")
    teacher.commit({"a.txt": "zero\none\ntwo\n"})
    answer = student.post("/sessions/ID/update")
    assert (answer.status_code, answer.location) == (303, f"/sessions#{student.spec.id}")
    assert (student.home / "course/a.txt").read_text() == "zero\none\ntwo\nmine\n"
    page = student.get("/sessions").text
    assert "Your changes merged into a.txt" in page
    assert teacher.git("rev-parse", "HEAD")[:7] in page


def test_a_program_gets_the_same_receipt(student, teacher):
    teacher.commit({"c.txt": "c\n"})
    (receipt,) = student.post("/api/sessions/ID/update").json["receipts"]
    assert (receipt["folder"], receipt["new"]) == ("course", ["c.txt"])
    (again,) = student.post("/api/sessions/ID/update").json["receipts"]
    assert again["sentence"] == "No new course files."
    (session,) = student.get("/api/sessions").json["sessions"]
    newest, first = session["folders"][0]["receipts"]
    assert (newest["new"], first["new"]) == (["c.txt"], ["a.txt", "b.txt"])


def test_every_repository_of_the_link_is_updated(app, launcher, server, tmp_path):
    data = Repo.create(tmp_path / "served/data", {"d.csv": "1\n"})
    link = Link(env="gh/o/e", repo=server.url("course"), more=(Content(server.url("data")),))
    student = Browser(app, launcher, "s2", link)
    assert (student.home / "data/d.csv").exists()
    data.commit({"d.csv": "2\n"})
    answer = student.post("/api/sessions/ID/update").json
    assert sorted(one["folder"] for one in answer["receipts"]) == ["course", "data"]
    assert (student.home / "data/d.csv").read_text() == "2\n"


def test_a_repository_that_is_gone_does_not_hold_up_the_others(app, launcher, server, tmp_path):
    data = Repo.create(tmp_path / "served/data", {"d.csv": "1\n"})
    link = Link(env="gh/o/e", repo=server.url("course"), more=(Content(server.url("data")),))
    student = Browser(app, launcher, "s2", link)
    data.commit({"d.csv": "2\n"})
    (tmp_path / "served/course").rename(tmp_path / "served/moved")
    answer = student.post("/sessions/ID/update")
    assert answer.status_code == 404
    assert "/course" in answer.text
    assert (student.home / "data/d.csv").read_text() == "2\n"


def test_undo_from_the_page(student, teacher):
    file = student.home / "course/a.txt"
    file.write_text("one\ntwo\nmine\n")
    teacher.commit({"a.txt": "zero\none\ntwo\n"})
    student.post("/sessions/ID/update")
    page = student.get("/sessions/ID/snapshots").text
    assert "Before an update: 1 file" in page
    (folder,) = student.get("/api/sessions/ID/snapshots").json["folders"]
    snapshot = folder["snapshots"][0]["id"]
    look = student.get(f"/sessions/ID/snapshots/course/{snapshot}?path=a.txt").text
    assert "-zero" in look
    answer = student.post(f"/sessions/ID/snapshots/course/{snapshot}/restore", in_place="yes")
    assert "a.txt is back" in student.get(answer.location).text
    assert file.read_text() == "one\ntwo\nmine\n"
    answer = student.post("/sessions/ID/folders/course/start-over", path="course/a.txt")
    assert "yours is now" in student.get(answer.location).text
    assert file.read_text() == "zero\none\ntwo\n"


def test_starting_over_works_where_the_git_data_is_gone(student):
    """The objects are sent again from the mirror."""
    (student.home / "course/a.txt").write_text("spoilt\n")
    for path in (student.home / "course/.git/objects").rglob("*"):
        if path.is_file():
            path.unlink()
    student.post("/api/sessions/ID/folders/course/start-over", path="a.txt")
    assert (student.home / "course/a.txt").read_text() == "one\ntwo\n"


def test_a_folder_that_the_student_removed_is_said(student):
    shutil.rmtree(student.home / "course")
    answer = student.get("/sessions/ID/snapshots")
    assert answer.status_code == 200
    assert "no course files" in answer.text


def test_nobody_can_put_words_on_the_page_by_a_link(student):
    assert (
        "Send your password"
        not in student.get("/sessions/ID/snapshots?done=Send your password").text
    )


def test_trouble_names_the_way_out(student):
    answer = student.post("/sessions/ID/folders/course/start-over", path="none.txt")
    assert answer.status_code == 503
    assert "not one of the course files" in answer.text
    assert student.get("/sessions/ID/snapshots/course/20200101-000000").status_code == 503
    assert student.get("/sessions/ID/snapshots/elsewhere/20200101-000000").status_code == 404


CHANGING = (
    "/sessions/ID/update",
    "/api/sessions/ID/update",
    "/sessions/ID/snapshots/course/x/restore",
    "/sessions/ID/folders/course/start-over",
    "/sessions/ID/stop",
)


@pytest.mark.parametrize("path", CHANGING)
def test_another_page_cannot_make_a_browser_do_it(student, path):
    path = path.replace("ID", student.spec.id)
    assert student.client.post(path).status_code == 403
    assert student.client.post(path, data={"csrf": "x"}).status_code == 403


@pytest.mark.parametrize("path", [*CHANGING, "/sessions/ID/snapshots"])
def test_nobody_reaches_the_work_of_another(app, student, path):
    other = app.test_client()
    other.set_cookie(identity.COOKIE, identity.sign_student(SECRET, "s9"))
    csrf = other.get("/api/sessions").json["csrf"]
    path = path.replace("ID", student.spec.id)
    call = other.get if path.endswith("snapshots") else other.post
    assert call(path, data={"csrf": csrf}).status_code == 404


def test_a_stopped_session_says_so(student, launcher):
    rows = launcher.sessions.runtime.rows
    rows[student.spec.id] = replace(rows[student.spec.id], running=False)
    answer = student.post("/sessions/ID/update")
    assert answer.status_code == 503
    assert "Bring it back" in answer.text


@pytest.fixture
def hanging(launcher, monkeypatch, set_look):
    """Each command in a session hangs until this is set; with how long each may take."""
    set_look(LOOK)
    gate, runtime, allowed = threading.Event(), launcher.sessions.runtime, []

    def run(session_id, command, *, stdin=None, timeout=60.0):
        allowed.append(timeout)
        gate.wait(60)
        raise TimeoutError("it took too long")

    monkeypatch.setattr(runtime, "run", run)
    yield gate, allowed
    gate.set()


def ask_aside(app, cookie, address, **form):
    """A request of its own thread, as the server would answer it; a POST where it has a form."""
    answers = []

    def ask():
        client = app.test_client()
        client.set_cookie(identity.COOKIE, cookie)
        answers.append(client.post(address, data=form) if form else client.get(address))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    return thread, answers


def test_a_session_that_hangs_holds_one_thread_and_not_all(app, student, hanging):
    gate, allowed = hanging
    cookie = identity.sign_student(SECRET, "s1")
    address = f"/sessions/{student.spec.id}/snapshots"
    thread, answers = ask_aside(app, cookie, address)
    wait_for(lambda: allowed)
    for path in ("snapshots", "snapshots/course/20200101-000000"):
        busy = student.get(f"/sessions/ID/{path}")
        assert busy.status_code == 503
        assert "E-BUSY" in busy.text
        assert int(busy.headers["Retry-After"]) > 0
    assert student.get("/sessions").status_code == 200
    assert len(allowed) == 1, "nothing else was begun in the session"
    gate.set()
    thread.join(30)
    assert "took too long" in answers[0].text
    assert student.get("/sessions/ID/snapshots").status_code == 200


def test_a_class_that_updates_at_once_is_served_and_so_are_double_clicks(
    app, launcher, monkeypatch
):
    updated = []

    def update(_launcher, session):
        time.sleep(0.1)
        updated.append(session.owner)
        return ()

    def click(name):
        spec, _ = launcher.sessions.ensure(name, "c", "image", "/launch?env=e", lambda _: None)
        client = app.test_client()
        client.set_cookie(identity.COOKIE, identity.sign_student(SECRET, name))
        csrf = client.get("/api/sessions").json["csrf"]
        begin.wait(60)
        return client.post(f"/sessions/{spec.id}/update", data={"csrf": csrf}).status_code

    monkeypatch.setattr(Launcher, "update", update)
    names = [f"class{number}" for number in range(40)]
    names += names[:10]
    begin = threading.Barrier(len(names))
    with ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(click, names)) == [303] * len(names)
    assert sorted(updated) == sorted(names)


def test_changes_in_sessions_that_hang_keep_nobody_from_looking(app, student, hanging):
    gate, allowed = hanging
    csrf = student.get("/api/sessions").json["csrf"]
    cookie, address = identity.sign_student(SECRET, "s1"), f"/sessions/{student.spec.id}/update"
    thread, answers = ask_aside(app, cookie, address, csrf=csrf)
    wait_for(lambda: allowed)
    assert student.get("/sessions/ID/snapshots/elsewhere/20200101-000000").status_code == 404
    gate.set()
    thread.join(30)
    assert "took too long" in answers[0].text


def test_an_update_does_not_wait_for_ever_for_a_launch(student, launcher, monkeypatch):
    monkeypatch.setattr("launcher.launch.PATIENCE", 0.05)
    with launcher.sessions.turns.wait_for("s1", "course-1"):
        busy = student.post("/sessions/ID/update")
    assert busy.status_code == 503
    assert "E-BUSY" in busy.text
    assert "A launch or an update of this session" in busy.text
    assert student.post("/sessions/ID/update").status_code == 303


def test_looks_wait_seconds_and_changes_as_long_as_a_pull(student, hanging):
    gate, allowed = hanging
    gate.set()
    student.get("/sessions/ID/snapshots")
    student.get("/sessions/ID/snapshots/course/20200101-000000")
    assert max(allowed) <= 15
    student.post("/sessions/ID/folders/course/start-over", path="a.txt")
    assert allowed[-1] > 500


def test_many_folders_share_the_time_of_a_look(
    app, launcher, server, tmp_path, monkeypatch, set_look
):
    set_look(LOOK)
    for name in ("c2", "c3"):
        Repo.create(tmp_path / "served" / name, {"x": "x"})
    more = tuple(Content(server.url(name)) for name in ("c2", "c3"))
    student = Browser(app, launcher, "s1", Link("gh/o/e", repo=server.url("course"), more=more))
    now, allowed = [0.0], []
    monkeypatch.setattr(work, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def run(session_id, command, *, stdin=None, timeout=60.0):
        allowed.append(timeout)
        now[0] += 10
        raise TimeoutError("it took too long")

    monkeypatch.setattr(launcher.sessions.runtime, "run", run)
    folders = student.get("/api/sessions/ID/snapshots").json["folders"]
    assert len(folders) == 3
    assert all("too long" in one["trouble"] for one in folders)
    assert allowed == pytest.approx([15, 5], abs=1), "the third is not asked"


def test_a_python_of_the_students_own_is_not_run(student, monkeypatch):
    """The first folder of an image's PATH is the student's."""
    programs = student.home / ".local/bin"
    programs.mkdir(parents=True)
    (programs / "python3").write_text("#!/bin/sh\nsleep 600\n")
    (programs / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(student.home))
    (folder,) = student.get("/api/sessions/ID/snapshots").json["folders"]
    assert folder["trouble"] == ""
