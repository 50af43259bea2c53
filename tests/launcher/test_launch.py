"""Clicks on content: what was pushed is there, and nobody waits long for a host that hangs who can
have the copy."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from envs.errors import GitHostDown, HostNotAllowed
from envs.git import Git
from envs.room import Room
from launcher.asking import Asking
from launcher.config import load_config
from launcher.content.delivered import all_delivered
from launcher.content.delivery import Delivery
from launcher.content.mirror import Mirrors
from launcher.content.newest import Newest
from launcher.errors import ContentNotFound, DiskFull, FolderOfAnother, PathNotFound
from launcher.launch import Launcher
from launcher.sessions.sessions import Sessions
from link_generator.content import Content
from link_generator.link import Link
from tests.fakes import HereRuntime, fake_sessions
from tests.gated_git import GatedGit
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for

LONG = 60.0
"""Seconds that a host that is well may take."""
OLD = "these are the files of"
DOWN = f"The git server does not answer; {OLD}"
LATE = f"The newest course files have not come yet; {OLD}"
FULL = f"This server's disk is full, so the newest course files cannot come; {OLD}"


class FakeEnvironments:
    """One image for every link."""

    def course(self, link):
        return "course-1"

    def address(self, link):
        return link.repo or link.env

    def ensure_image(self, link, tell):
        return SimpleNamespace(name="image")

    def egress(self, link):
        return ""


@dataclass
class Clicks:
    """Clicks of students on a course, each in a thread, as in the app."""

    launcher: Launcher
    pool: ThreadPoolExecutor
    url: str

    def click(self, student="s1", **link):
        """The receipt of what came, and how long it took."""
        return self.within(lambda: self.open(student, **link).receipts[0])

    def open(self, student, **link):
        return self.launcher.launch(Link(env="e", repo=self.url, **link), student, lambda _: None)

    def within(self, do):
        began = time.monotonic()
        found = self.pool.submit(do).result(timeout=120)
        return found, time.monotonic() - began


@pytest.fixture
def server(tmp_path):
    with GitServer(tmp_path / "served") as running:
        yield running


@pytest.fixture
def teacher(tmp_path):
    return Repo.create(tmp_path / "served/course", {"week1/a.txt": "a\n"})


@pytest.fixture
def gated(server):
    found = GatedGit(Git(hosts=(server.host,)))
    yield found
    found.open()


@pytest.fixture
def clicks(tmp_path, gated, server, teacher, monkeypatch):
    mirrors, runtime = Mirrors(tmp_path / "content", gated), HereRuntime()
    launcher = Launcher(
        config=load_config(),
        environments=FakeEnvironments(),
        mirrors=mirrors,
        delivery=Delivery(mirrors, runtime),
        sessions=fake_sessions(tmp_path, runtime=runtime),
        asking=Asking(),
    )
    monkeypatch.setattr(Sessions, "open", lambda _self, _spec, session=None: session)
    monkeypatch.setattr("launcher.content.newest.SOON", LONG)
    with ThreadPoolExecutor(40) as pool:
        yield Clicks(launcher, pool, server.url("course"))
        gated.open()


@pytest.fixture
def soon(clicks, monkeypatch):
    """For a host that hangs; one that is well may take longer on a busy machine."""
    monkeypatch.setattr("launcher.content.newest.SOON", 1.0)
    return 1.0


def restarted(clicks):
    """As after a restart: what the launcher had in memory is gone."""
    mirrors = Mirrors(clicks.launcher.mirrors.folder, clicks.launcher.mirrors.git)
    delivery = replace(clicks.launcher.delivery, mirrors=mirrors)
    launcher = replace(clicks.launcher, mirrors=mirrors, delivery=delivery, asking=Asking())
    return replace(clicks, launcher=launcher)


def test_a_push_is_there_at_the_next_click_and_no_copy_is_looked_for(clicks, teacher, monkeypatch):
    monkeypatch.setattr(Mirrors, "find_copy", None)
    for number in range(3):
        receipt, _ = clicks.click()
        assert receipt.after == teacher.git("rev-parse", "HEAD").strip()
        assert OLD not in receipt.sentence()
        teacher.commit({f"{number}.txt": "n\n"})


def test_a_host_that_hangs_costs_a_moment_and_what_it_says_later_is_for_the_next_click(
    clicks, gated, teacher, soon, monkeypatch
):
    known = clicks.click()[0].after
    newer = teacher.commit({"b.txt": "b\n"})
    gated.gate.clear()
    receipt, took = clicks.click("s2")
    assert soon <= took < 30
    assert receipt.after == known
    assert LATE in receipt.sentence()
    assert [clicks.click(f"s{n}")[0].after for n in range(3, 6)] == [known] * 3
    assert len(gated.asked) == 2, "one question all the time"
    gated.gate.set()
    mirrors = clicks.launcher.mirrors
    wait_for(lambda: mirrors.holds(clicks.url, newer) and not clicks.launcher.asking._known)
    monkeypatch.setattr("launcher.content.newest.SOON", LONG)
    receipt, _ = clicks.click("s2")
    assert receipt.after == newer
    assert OLD not in receipt.sentence()


@pytest.mark.parametrize("answers", ["in time for this click", "an update"])
def test_who_waits_for_the_turn_with_a_copy_brings_back_nothing_older(
    clicks, gated, server, teacher, soon, monkeypatch, answers
):
    clicks.click()
    newer, waits = teacher.commit({"b.txt": "b\n"}), threading.Event()
    if answers == "an update":
        server.stop()
    else:
        gated.gate.clear()
    turns = clicks.launcher.sessions.turns
    wait_for_turn = turns.wait_for

    def waiting(student, course):
        waits.set()
        return wait_for_turn(student, course)

    with turns.wait_for("s1", "course-1"):
        monkeypatch.setattr(turns, "wait_for", waiting)
        click = clicks.pool.submit(clicks.click)
        assert waits.wait(120)
        if answers == "an update":
            wait_for(lambda: not clicks.launcher.asking._known)  # it knows that the host is down
            server.start()
            content, asking = Content(clicks.url, ""), clicks.launcher.asking
            update = Newest.of(content, clicks.launcher.mirrors, asking)
            assert update.get_within(LONG).commit == newer
        gated.open()
        mirrors = clicks.launcher.mirrors
        wait_for(lambda: mirrors.holds(clicks.url, newer) and not clicks.launcher.asking._known)
    receipt, _ = click.result(120)
    assert receipt.after == newer


def test_a_class_waits_once_since_the_question_began(clicks, gated, soon):
    clicks.click()
    gated.gate.clear()
    launcher, content = clicks.launcher, Content(clicks.url, "")

    def ask(_):
        return Newest.of(content, launcher.mirrors, launcher.asking).get_soon()

    began = time.monotonic()
    found = list(clicks.pool.map(ask, range(40)))
    assert soon <= time.monotonic() - began < 30
    began = time.monotonic()
    assert [ask(0) for _ in range(30)] == found[:30] == [found[0]] * 30
    assert time.monotonic() - began < 20, "whoever comes later does not wait at all"
    assert len(gated.asked) == 2


@pytest.mark.parametrize("only", ["", "week1"])
def test_a_fetch_that_hangs_keeps_nobody_from_the_copy_even_after_a_restart(
    clicks, gated, teacher, soon, only, monkeypatch
):
    known = clicks.click(only=only)[0].after
    newer = teacher.commit({"week1/b.txt": "b\n"})
    again = restarted(clicks)
    gated.fetch_gate.clear()
    for student in ("s1", "s2"):
        receipt, took = again.click(student, only=only)
        assert took < 30
        assert receipt.after == known
        assert LATE in receipt.sentence()
    gated.open()
    wait_for(lambda: not again.launcher.asking._known)
    monkeypatch.setattr("launcher.content.newest.SOON", LONG)
    receipt, _ = again.click("s1", only=only)
    assert (receipt.after, receipt.new) == (newer, ("week1/b.txt",))


def test_another_branch_is_the_newest_while_a_fetch_hangs(
    clicks, gated, teacher, soon, monkeypatch
):
    teacher.git("branch", "other")
    clicks.click(branch="main")
    clicks.click("s2", branch="other")
    known = teacher.git("rev-parse", "HEAD").strip()
    teacher.commit({"b.txt": "b\n"})
    gated.fetch_gate.clear()
    assert clicks.click(branch="main")[0].after == known
    monkeypatch.setattr("launcher.content.newest.SOON", LONG)
    receipt, _ = clicks.click("s2", branch="other")
    assert OLD not in receipt.sentence()


def test_a_host_that_was_down_keeps_nobody_waiting_and_is_believed_when_it_answers(
    clicks, gated, server, teacher, monkeypatch
):
    monkeypatch.setattr("launcher.content.mirror.DOWN", 1000.0)
    clicks.click()
    newer = teacher.commit({"b.txt": "b\n"})
    server.stop()
    assert DOWN in clicks.click()[0].sentence()
    gated.gate.clear()
    asked = len(gated.asked)
    for _ in range(3):
        receipt, took = clicks.click()
        assert DOWN in receipt.sentence()
        assert took < 45, "not even the moment"
    wait_for(lambda: len(gated.asked) > asked)
    assert len(gated.asked) == asked + 1, "it is asked again, and nobody waits"
    server.start()
    gated.gate.set()
    wait_for(lambda: not clicks.launcher.asking._known)
    receipt, _ = clicks.click()
    assert receipt.after == newer
    newest = teacher.commit({"c.txt": "c\n"})
    assert clicks.click()[0].after == newest, "it counts as down no longer"


def test_a_host_that_was_down_long_ago_is_waited_for(clicks, gated, server, soon, monkeypatch):
    clicks.click()
    server.stop()
    clicks.click()
    wait_for(lambda: not clicks.launcher.asking._known)
    monkeypatch.setattr("launcher.content.mirror.DOWN", 0.0)
    gated.gate.clear()
    receipt, took = clicks.click()
    assert took >= soon
    assert LATE in receipt.sentence()


def test_who_has_no_copy_waits_for_the_answer(clicks, gated, teacher, soon):
    gated.gate.clear()
    click = clicks.pool.submit(clicks.click)
    time.sleep(2 * soon)
    assert not click.done()
    gated.gate.set()
    receipt, _ = click.result(timeout=120)
    assert receipt.after == teacher.git("rev-parse", "HEAD").strip()


def test_a_link_to_a_file_that_the_copy_lacks_waits_for_the_newest(clicks, gated, teacher, soon):
    clicks.click()
    newer = teacher.commit({"week2/b.txt": "b\n"})
    gated.fetch_gate.clear()
    click = clicks.pool.submit(clicks.click, path="week2/b.txt")
    wrong = clicks.pool.submit(clicks.click, "s2", path="week3/c.txt")
    time.sleep(2 * soon)
    assert not click.done()
    gated.open()
    assert click.result(timeout=120)[0].after == newer
    with pytest.raises(PathNotFound, match=newer[:7]):
        wrong.result(timeout=120)


def test_an_update_waits_longer_and_then_says_that_the_newest_has_not_come(
    clicks, gated, server, teacher, monkeypatch
):
    session = clicks.open("s1").session
    server.stop()
    clicks.click()
    server.start()
    newer = teacher.commit({"b.txt": "b\n"})
    (receipt,), _ = clicks.within(lambda: clicks.launcher.update(session))
    assert receipt.after == newer, "it asks, though the host was down a moment ago"
    monkeypatch.setattr("launcher.launch.PATIENCE", 1.0)
    gated.gate.clear()
    (receipt,), took = clicks.within(lambda: clicks.launcher.update(session))
    assert 1.0 <= took < 30
    assert LATE in receipt.sentence()


@pytest.mark.parametrize("trouble", [GitHostDown, HostNotAllowed])
def test_a_folder_whose_host_cannot_be_asked_keeps_no_other_from_its_update(
    clicks, gated, server, teacher, tmp_path, trouble
):
    away = Repo.create(tmp_path / "away/data", {"d.txt": "d\n"})
    with GitServer(tmp_path / "away") as other:
        gated.git = replace(gated.git, hosts=(server.host, other.host))
        more = (Content(other.url("data")),)
        session = clicks.within(lambda: clicks.open("s1", more=more))[0].session
        away.commit({"e.txt": "e\n"})
        mirrors = clicks.launcher.mirrors
        assert mirrors.place.drop(mirrors.place.name_of(other.url("data")), before=time.time() + 1)
    if trouble is HostNotAllowed:
        gated.git = replace(gated.git, hosts=(server.host,))
    teacher.commit({"b.txt": "b\n"})
    home = clicks.launcher.sessions.spec(session).home
    for _ in range(2):  # the newest delivery is asked for first
        with pytest.raises(trouble):
            clicks.within(lambda: clicks.launcher.update(session))
        assert (home / "course/b.txt").read_text() == "b\n"
        assert (home / "data/d.txt").read_text() == "d\n"


def test_a_full_disk_keeps_nobody_from_the_copy_and_is_named(clicks, teacher, tmp_path):
    known = clicks.click(path="week1/a.txt")[0].after
    newer = teacher.commit({"week2/b.txt": "b\n"})
    mirrors = clicks.launcher.mirrors
    mirrors.room = Room(1 << 60, lambda: [tmp_path])
    for student in ("s1", "s2"):
        receipt, _ = clicks.click(student, path="week1/a.txt")
        assert receipt.after == known
        assert FULL in receipt.sentence()
    with pytest.raises(PathNotFound) as caught:
        clicks.click(path="week2/b.txt")
    assert FULL in caught.value.hint, "the file may be in what cannot come"
    with pytest.raises(DiskFull):
        clicks.click(branch="refs/heads/main")
    mirrors.room = Room()
    receipt, _ = clicks.click(path="week2/b.txt")
    assert receipt.after == newer
    assert OLD not in receipt.sentence()


@pytest.mark.parametrize("waits", [False, True])
def test_what_the_disk_keeps_away_is_still_named_after_a_turn(clicks, teacher, tmp_path, waits):
    clicks.click()
    teacher.commit({"b.txt": "b\n"})
    launcher = clicks.launcher
    launcher.mirrors.room = Room(1 << 60, lambda: [tmp_path])
    newest = Newest.of(Content(clicks.url, ""), launcher.mirrors, launcher.asking)
    source = newest.get()
    assert FULL in source.stale_note
    if waits:
        newest = Newest.of(Content(clicks.url, ""), launcher.mirrors, launcher.asking)
    assert FULL in newest.since(source).stale_note


def test_a_course_that_is_gone_keeps_nobody_from_the_files_that_they_have(clicks, teacher):
    clicks.click("anna")
    teacher.folder.rename(teacher.folder.with_name("elsewhere"))
    said = []
    link = Link(env="e", repo=clicks.url, path="week1/a.txt")
    opened = clicks.launcher.launch(link, "anna", said.append)
    assert opened.receipts == ()
    assert opened.url.endswith("/course/week1/a.txt")
    assert any("You go on with the files that you have." in one.message for one in said)
    with pytest.raises(ContentNotFound):  # who has nothing of it
        clicks.open("ben")
    with pytest.raises(ContentNotFound):  # a further repository that anna never got
        clicks.open("anna", more=(Content(f"{clicks.url}-2"),))


def test_a_link_whose_course_has_the_name_of_another_gets_nothing_of_its_folder(
    clicks, server, tmp_path, monkeypatch
):
    Repo.create(tmp_path / "served/evil", {"week1/a.txt": "evil\n"})
    monkeypatch.setattr("launcher.content.delivered.course_name", lambda _address: "course-1")
    home = clicks.launcher.sessions.homes.path("s1", "course-1")
    clicks.click()
    clicks.click(branch="main")
    before = sorted(home.rglob("*"))
    running = clicks.launcher.sessions.of("s1")
    with pytest.raises(FolderOfAnother) as caught:
        clicks.launcher.launch(Link(env="e", repo=server.url("evil")), "s1", lambda _: None)
    assert clicks.url in caught.value.message
    assert sorted(home.rglob("*")) == before
    assert clicks.launcher.sessions.of("s1") == running
    clicks.launcher.launch(Link(env="e", repo=server.url("evil")), "s2", lambda _: None)


@pytest.mark.parametrize("content", [False, True])
def test_a_course_without_content_shares_its_folder_with_nothing_of_its_name(
    clicks, content, monkeypatch
):
    monkeypatch.setattr("launcher.content.delivered.course_name", lambda _address: "course-1")
    other = Link(env="evil", repo=clicks.url if content else "")
    sessions = clicks.launcher.sessions
    clicks.launcher.launch(Link(env="good"), "s1", lambda _: None)
    running = sessions.of("s1")
    with pytest.raises(FolderOfAnother, match="good"):
        clicks.launcher.launch(other, "s1", lambda _: None)
    assert sessions.of("s1") == running
    assert not list(sessions.homes.path("s1", "course-1").rglob("a.txt"))
    clicks.launcher.launch(Link(env="good"), "s1", lambda _: None)
    assert not all_delivered(sessions.spec(sessions.of("s1")[0])), "nothing was brought"


def test_a_full_disk_keeps_nobody_out_of_a_course_without_content(clicks, monkeypatch):
    def full(_home, _address):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("launcher.launch.note_course", full)
    assert clicks.launcher.launch(Link(env="good"), "s1", lambda _: None).url
