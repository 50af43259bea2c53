"""Versions: a ref is a commit by its exact name, or an error that says the way out."""

import pytest

from envs.errors import (
    AmbiguousRef,
    BadEnvironment,
    GitHostDown,
    HostNotAllowed,
    RepoNotFound,
    UnknownRef,
)
from envs.git import Git
from envs.version import VersionCache, resolve_version


def test_an_annotated_tag_is_its_commit(git, env, url):
    found = resolve_version(url, "v1", git=git)
    assert (found.commit, found.kind) == (env.git("rev-parse", "HEAD").strip(), "tag")


def test_a_branch_with_a_slash_is_not_the_tag_of_its_last_part(git, env, url):
    env.git("checkout", "-q", "-b", "feature/v1")
    commit = env.commit({"a": "2"})
    found = resolve_version(url, "feature/v1", git=git)
    assert (found.commit, found.kind) == (commit, "branch")


def test_no_ref_is_the_default_branch(git, env, url):
    assert resolve_version(url, "", git=git).commit == env.git("rev-parse", "main").strip()


def test_a_full_commit_needs_no_question(git, url, host):
    before = len(host.requests)
    assert resolve_version(url, "a" * 40, git=git).kind == "commit"
    assert len(host.requests) == before


def test_a_tag_and_a_branch_of_one_name_are_an_error_that_says_so(git, env, url):
    env.git("branch", "stable")
    env.commit({"a": "2"})
    env.git("tag", "stable")
    with pytest.raises(AmbiguousRef) as caught:
        resolve_version(url, "stable", git=git)
    assert "refs/tags/stable" in caught.value.hint
    tag = resolve_version(url, "refs/tags/stable", git=git)
    branch = resolve_version(url, "refs/heads/stable", git=git)
    assert tag.commit != branch.commit


def test_a_misspelt_tag_names_the_near_ones(git, env, url):
    env.git("tag", "2025.1")
    with pytest.raises(UnknownRef) as caught:
        resolve_version(url, "2025.2", git=git)
    assert "2025.1" in caught.value.near
    assert "2025.1" in caught.value.hint


def test_a_missing_repository_is_said(git, host):
    with pytest.raises(RepoNotFound, match="no repository"):
        resolve_version(host.url("nothing"), "v1", git=git)


def test_a_host_that_is_down_is_not_a_missing_repository(git):
    gone = Git(("127.0.0.1:9",), timeout=5)
    with pytest.raises(GitHostDown):
        resolve_version("http://127.0.0.1:9/env", "v1", git=gone)


@pytest.mark.parametrize(
    "url", ["file:///etc", "/etc", "ext::sh -c id", "--upload-pack=id", "ftp://h/x", "http://"]
)
def test_exotic_transports_never_reach_git(git, url):
    with pytest.raises(BadEnvironment):
        resolve_version(url, "v1", git=git)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/x", "http://169.254.169.254/x", "http://localhost/x", "http://[::1]/x"],
)
def test_private_addresses_are_never_contacted_unless_named(url):
    with pytest.raises(HostNotAllowed, match="public"):
        Git().check_url(url)


def test_a_host_outside_the_list_is_never_contacted():
    with pytest.raises(HostNotAllowed, match="does not fetch"):
        Git(("git.example.org",)).check_url("https://github.com/o/r")


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


def test_secrets_of_the_caller_s_git_are_not_used(git, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    assert not [name for name in git.environment() if name.startswith("GIT_CONFIG_COUNT")]
    assert git.environment()["GIT_TERMINAL_PROMPT"] == "0"
