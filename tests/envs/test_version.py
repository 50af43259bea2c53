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
from envs.version import resolve_version
from tests.git_server import Repo


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


def test_secrets_of_the_caller_s_git_are_not_used(git, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    assert not [name for name in git.environment() if name.startswith("GIT_CONFIG_COUNT")]
    assert git.environment()["GIT_TERMINAL_PROMPT"] == "0"


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
