"""Names of refs that are easy to take for another, and hosts that answer strangely."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from envs.errors import GitHostDown, HostNotAllowed, RepoNotFound, UnknownRef
from envs.git import Git, GitFailed
from envs.version import Version, VersionCache, explain, resolve_version
from tests.git_server import Repo


def test_a_light_tag_is_its_commit(env, url, git):
    env.git("tag", "light")
    env.commit({"a": "2"})
    assert resolve_version(url, "light", git=git).commit == env.git("rev-parse", "light").strip()


def test_a_tag_and_a_branch_of_one_commit_need_no_choice(env, url, git):
    env.git("branch", "v1")
    assert resolve_version(url, "v1", git=git).commit == env.git("rev-parse", "HEAD").strip()


@pytest.mark.parametrize("ref", ["*", "v?", "refs/*", "--all", "HEAD~1", "v1^{}", "V1", " v1"])
def test_a_pattern_or_another_spelling_is_not_the_name(url, git, ref):
    with pytest.raises(UnknownRef):
        resolve_version(url, ref, git=git)


def test_a_shortened_commit_is_asked_for_in_full(env, url, git):
    with pytest.raises(UnknownRef) as caught:
        resolve_version(url, env.git("rev-parse", "HEAD")[:7], git=git)
    assert "40 characters" in caught.value.hint


def test_an_empty_repository_says_so(host, git):
    Repo.create(host.root / "empty")
    with pytest.raises(UnknownRef, match="empty"):
        resolve_version(host.url("empty"), "", git=git)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("remote: Repository not found.\nfatal: repository 'https://h/x/' not found", RepoNotFound),
        ("fatal: Authentication failed for 'https://h/x/'", RepoNotFound),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 403",
         RepoNotFound),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 503",
         GitHostDown),
        ("fatal: unable to access 'https://h/x/': The requested URL returned error: 429",
         GitHostDown),
        ("fatal: unable to access 'http://h:54037/not-found/': Failed to connect to h port 54037",
         GitHostDown),
        ("fatal: unable to access 'https://h/x/': SSL certificate problem: expired", GitHostDown),
        ("fatal: the remote end hung up unexpectedly", GitHostDown),
        ("", GitHostDown),
    ],
)  # fmt: skip
def test_only_a_clear_answer_makes_a_repository_missing(said, means):
    assert type(explain(GitFailed("ls-remote", 128, said), "https://h/x")) is means


def test_a_host_that_is_down_says_what_git_says(host, url, git):
    host.stop()
    with pytest.raises(GitHostDown) as caught:
        resolve_version(url, "v1", git=git)
    assert "Git says: fatal" in caught.value.hint


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
