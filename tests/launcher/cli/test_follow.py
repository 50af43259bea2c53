"""`launcher env logs -f`: a build is followed to its end, in a terminal with its stage."""

from __future__ import annotations

import contextlib
import io
import re
import threading

import pytest

from envs.errors import BuildFailed
from envs.git import Git
from envs.halt import NO_HALT
from envs.store import Store
from envs.version import resolve_version
from launcher.cli.follow import Display, follow_build, outcome_of
from tests.envs.fake_builder import FileBuilder
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for


class Shown(Display):
    """Once it has shown the first lines, the build goes on."""

    def __init__(self, store, *, terminal):
        super().__init__(io.StringIO(), terminal)
        self.gate = store.builder.gate

    def show(self, lines, stages, seconds):
        super().show(lines, stages, seconds)
        if any("line 0" in line.text for line in lines):
            self.gate.set()


class Steps(FileBuilder):
    def build(self, name, recipe, *, source, labels, say, halt=NO_HALT, cache=""):
        say("$ uv pip install --requirements requirements.txt")
        return super().build(name, recipe, source=source, labels=labels, say=say)


@pytest.fixture
def repo(tmp_path):
    return Repo.create(tmp_path / "git" / "env", {"requirements.txt": "six\n"}, tag="v1")


@pytest.fixture
def store(tmp_path, repo):
    (tmp_path / "images").mkdir()
    builder = Steps(tmp_path / "images", lines=8)
    builder.gate = threading.Event()
    builder.goes_on = builder.gate.is_set
    with GitServer(tmp_path / "git") as host:
        store = Store(tmp_path / "builds", builder, Git((host.host,), timeout=120), poll=0.01)
        store.url = host.url("env")
        yield store


def begin(store, ref="v1"):
    """Build in a thread; returns it and the image's name once the build is under way."""
    version = resolve_version(store.url, ref, git=store.git)

    def build():
        with contextlib.suppress(BuildFailed):  # what is followed says it
            store.ensure_image(version, say=lambda line: None)

    thread = threading.Thread(target=build)
    thread.start()
    return thread, wait_for(store.records.unfinished)[0].name


def test_a_running_build_is_followed_to_its_end(store):
    thread, name = begin(store)
    shown = Shown(store, terminal=False)
    build = follow_build(store, name, shown, every=0.02)
    thread.join(60)
    assert shown.out.getvalue() == store.records.log(name)
    assert "line 7" in shown.out.getvalue()
    assert outcome_of(build).startswith(f"{name} was ready after ")


def test_a_terminal_shows_the_stages_and_where_the_build_is(store):
    thread, name = begin(store)
    shown = Shown(store, terminal=True)
    follow_build(store, name, shown, every=0.02)
    thread.join(60)
    said = shown.out.getvalue()
    assert "\x1b[1mFetch\x1b[0m\n" in said
    assert "\x1b[1mPython packages\x1b[0m\n  $ uv pip install" in said
    assert re.search(r" Python packages \d", said)
    assert " in all" in said
    assert said.endswith("\r\x1b[K")
    for line in store.records.log(name).splitlines():
        assert said.count(f"  {line}\n") == 1


def test_a_failure_is_its_last_word(store, repo):
    repo.commit({"requirements.txt": "broken\n"})
    thread, name = begin(store, "main")
    build = follow_build(store, name, Shown(store, terminal=False), every=0.02)
    thread.join(60)
    assert build.outcome == "failed"
    assert outcome_of(build).endswith("broken is not a package")


def test_what_was_never_built_has_nothing_to_follow(store):
    assert follow_build(store, "env/x:1-2", Display(io.StringIO(), terminal=True)) is None
