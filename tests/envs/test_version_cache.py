"""What refs named is remembered: also over restarts, and where tags move or hosts are down."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from envs.errors import GitHostDown, HostNotAllowed, UnknownRef
from envs.git import Git
from envs.version import Version
from envs.version_cache import VersionCache


def test_a_tag_is_asked_for_once_and_a_branch_every_time(git, env, url, host):
    cache = VersionCache(git)
    cache.resolve(url, "v1")
    asked = len(host.requests)
    cache.resolve(url, "v1")
    assert len(host.requests) == asked
    commit = env.commit({"a": "2"})
    assert cache.resolve(url, "main").commit == commit
    commit = env.commit({"a": "3"})
    assert cache.resolve(url, "main").commit == commit


def test_a_moved_tag_is_noticed_and_told(git, env, url):
    told = []
    cache = VersionCache(git, tag_life=0, moved=lambda old, new: told.append((old, new)))
    old = cache.resolve(url, "v1")
    env.commit({"a": "2"})
    env.git("tag", "-f", "v1")
    new = cache.resolve(url, "v1")
    assert told == [(old, new)]
    assert new.commit != old.commit


def test_a_known_version_outlives_its_git_host(git, env, url, host):
    cache = VersionCache(git, tag_life=0)
    known = cache.resolve(url, "v1")
    host.stop()
    assert cache.resolve(url, "v1") == known


def test_a_host_that_is_down_does_not_answer_for_names_never_seen(host, url, git):
    versions = VersionCache(git, tag_life=0)
    versions.resolve(url, "v1")
    host.stop()
    with pytest.raises(GitHostDown):
        versions.resolve(url, "main")


def test_a_moved_tag_is_reported_once(env, url, git):
    told = []
    versions = VersionCache(git, tag_life=0, moved=lambda old, new: told.append(new))
    versions.resolve(url, "v1")
    env.commit({"a": "2"})
    env.git("tag", "-f", "v1")
    assert versions.resolve(url, "v1") == versions.resolve(url, "v1")
    assert len(told) == 1


def test_a_tag_that_was_removed_is_unknown_again(env, url, git):
    versions = VersionCache(git, tag_life=0)
    versions.resolve(url, "v1")
    env.git("tag", "-d", "v1")
    with pytest.raises(UnknownRef):
        versions.resolve(url, "v1")


def test_a_pinned_tag_stays_at_the_commit_that_it_named_first(env, url, git, tmp_path):
    told = []
    file = tmp_path / "data/versions.json"

    def cache():
        return VersionCache(
            git, tag_life=0, moved=lambda *both: told.append(both), follow=False, file=file
        )

    pinned = cache()
    first = pinned.resolve(url, "v1")
    env.commit({"a": "2"})
    env.git("tag", "-f", "v1")
    assert pinned.resolve(url, "v1") == pinned.resolve(url, "v1") == first
    assert len(told) == 1
    assert cache().resolve(url, "v1") == first, "a restart changes nothing"


def test_a_host_that_was_taken_out_of_the_settings_serves_nothing(env, url, git, tmp_path):
    file = tmp_path / "versions.json"
    VersionCache(git, file=file).resolve(url, "v1")
    stricter = VersionCache(Git(("git.example.org",)), file=file)
    with pytest.raises(HostNotAllowed, match="does not fetch from"):
        stricter.resolve(url, "v1")
    with pytest.raises(HostNotAllowed):
        stricter.resolve_soon(url, "v1")


def test_a_host_that_leads_on_to_another_is_answered_for(url, git, monkeypatch):
    versions = VersionCache(git, tag_life=0)
    first = versions.resolve(url, "v1")

    def elsewhere(*_):
        raise HostNotAllowed("It leads on to another server.")

    monkeypatch.setattr(versions, "_resolve", elsewhere)
    assert versions.resolve(url, "v1") == first


def test_after_a_restart_a_git_host_that_is_down_holds_nobody_up(env, url, git, host, tmp_path):
    file = tmp_path / "versions.json"
    first = VersionCache(git, file=file).resolve(url, "v1")
    branch = VersionCache(git, file=file).resolve(url, "main")
    host.stop()
    again = VersionCache(git, file=file)
    assert again.resolve(url, "v1") == first
    assert again.resolve(url, "main") == branch
    with pytest.raises(GitHostDown):
        again.resolve(url, "v2")
    file.write_text("broken")
    with pytest.raises(GitHostDown):
        VersionCache(git, file=file).resolve(url, "v1")


def test_processes_that_remember_at_the_same_time_lose_nothing(git, tmp_path):
    """`serve`, `env watch` and `env build` share one file."""
    file, most = tmp_path / "data/versions.json", 60
    caches = [VersionCache(git, file=file) for _ in range(4)]

    def remember(cache):
        for number in range(most):
            mine = f"v{number}-{caches.index(cache)}"
            cache._remember(Version("https://example.org/r", mine, "a" * 40, "tag"))

    with ThreadPoolExecutor(len(caches)) as pool:
        for done in [pool.submit(remember, cache) for cache in caches]:
            done.result(120)
    assert len(json.loads(file.read_text())) == most * len(caches)
    assert sorted(one.name for one in file.parent.iterdir()) == ["versions.json", "versions.lock"]


def test_what_is_no_file_of_versions_is_replaced(git, tmp_path):
    file = tmp_path / "versions.json"
    for broken in ("broken", "[]"):
        file.write_text(broken)
        VersionCache(git, file=file)._remember(Version("https://example.org/r", "v1", "a", "tag"))
        assert VersionCache(git, file=file).known("https://example.org/r", "v1") == "a"
