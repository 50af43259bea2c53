"""Clicks on a ref: many ask once, and nobody waits for a host that hangs who need not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from envs.errors import GitHostDown, UnknownRef
from envs.version_cache import VersionCache
from tests.gated_git import GatedGit
from tests.waiting import wait_for


@pytest.fixture
def gated(git):
    found = GatedGit(git)
    yield found
    found.gate.set()


@pytest.fixture
def versions(gated, monkeypatch):
    monkeypatch.setattr("envs.version_cache.SOON", 60.0)  # a host that is well may take its time
    return VersionCache(gated)


@pytest.fixture
def crowd():
    with ThreadPoolExecutor(40) as pool:
        yield pool


def clicks(crowd, versions, url, ref):
    """Forty, all of which wait for their answer."""
    waiting, question = [], versions._question
    versions._question = lambda *key: waiting.append(question(*key)) or waiting[-1]
    found = [crowd.submit(versions.resolve_soon, url, ref) for _ in range(40)]
    wait_for(lambda: len(waiting) == 40)
    versions._question = question
    return found


def test_a_class_that_clicks_asks_once_and_who_clicks_later_asks_anew(
    versions, gated, env, url, crowd
):
    gated.gate.clear()
    found = clicks(crowd, versions, url, "main")
    gated.gate.set()
    first = env.git("rev-parse", "main").strip()
    assert {one.result(timeout=60).commit for one in found} == {first}
    assert len(gated.asked) == 1
    newer = env.commit({"a": "2"})
    assert versions.resolve_soon(url, "main").commit == newer
    assert versions._asked == {}


def test_what_is_wrong_is_said_to_all_who_asked(versions, gated, url, crowd):
    gated.gate.clear()
    found = clicks(crowd, versions, url, "v2")
    gated.gate.set()
    assert {type(one.exception(timeout=60)) for one in found} == {UnknownRef}
    with pytest.raises(UnknownRef):
        versions.resolve_soon(url, "v2")
    assert versions._asked == {}


def test_a_tag_that_was_just_asked_for_takes_no_question_and_no_thread(
    versions, gated, url, monkeypatch
):
    known = versions.resolve_soon(url, "v1")
    monkeypatch.setattr("envs.version_cache.threading.Thread", None)
    assert versions.resolve_soon(url, "v1") == known
    assert len(gated.asked) == 1


def test_a_host_that_hangs_keeps_nobody_for_long_where_a_version_is_known(
    versions, gated, env, url, crowd, monkeypatch
):
    known = versions.resolve_soon(url, "main")
    newer = env.commit({"a": "2"})
    gated.gate.clear()
    monkeypatch.setattr("envs.version_cache.SOON", 1.0)
    began = time.monotonic()
    assert [one.result(timeout=120) for one in clicks(crowd, versions, url, "main")] == [known] * 40
    assert 1.0 <= time.monotonic() - began < 30
    began = time.monotonic()
    assert [versions.resolve_soon(url, "main") for _ in range(30)] == [known] * 30
    assert time.monotonic() - began < 20, "whoever comes later does not wait at all"
    assert len(gated.asked) == 2, "one question all the time"
    monkeypatch.setattr("envs.version_cache.SOON", 60.0)
    gated.gate.set()
    wait_for(lambda: versions.known(url, "main") == newer)
    assert versions.resolve_soon(url, "main").commit == newer


def test_a_host_that_was_down_is_asked_again_after_a_while(
    versions, gated, env, url, host, monkeypatch
):
    known = versions.resolve_soon(url, "main")
    host.stop()
    assert [versions.resolve_soon(url, "main") for _ in range(5)] == [known] * 5
    assert len(gated.asked) == 2
    with pytest.raises(GitHostDown):
        versions.resolve_soon(url, "other")
    monkeypatch.setattr("envs.version_cache.AGAIN", 0.0)
    versions.resolve_soon(url, "main")
    assert len(gated.asked) == 4


def test_who_must_know_asks_a_host_that_was_down_at_once_and_then_all_do(
    versions, gated, env, url, monkeypatch
):
    known = versions.resolve_soon(url, "main")
    newer = env.commit({"a": "2"})
    answer = gated.list_remote
    gated.list_remote = lambda url: versions._resolve("http://127.0.0.2:9/none", "main")
    assert versions.resolve_soon(url, "main") == known
    gated.list_remote = answer
    assert versions.resolve_soon(url, "main") == known
    assert versions.resolve(url, "main").commit == newer
    newest = env.commit({"a": "3"})
    assert versions.resolve_soon(url, "main").commit == newest


def test_what_is_not_known_is_waited_for_as_long_as_was_said(versions, gated, url, crowd):
    gated.gate.clear()
    waits = crowd.submit(versions.resolve_soon, url, "main")
    wait_for(lambda: gated.asked)
    with pytest.raises(GitHostDown, match="not answered yet"):
        versions.resolve_soon(url, "main", longest=0.2)
    gated.gate.set()
    assert waits.result(timeout=60).kind == "branch"
    assert len(gated.asked) == 1
