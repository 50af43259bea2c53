"""Git runs for strangers' addresses: what it refuses, and what it does not inherit."""

from __future__ import annotations

import pytest

from envs.errors import BadEnvironment, GitHostDown
from envs.git import Git, GitFailed, host_of


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc",
        "/etc",
        "ext::sh -c id",
        "--upload-pack=id",
        "ftp://example.org/x",
        "https://",
        "https://example.org:port/x",
        "https://good.example\\@evil.example/x",
        "https://exa\nmple.org/x",
        "https://example.org/a b",
    ],
)
def test_an_address_that_git_must_not_see_is_refused(url):
    with pytest.raises(BadEnvironment):
        Git().check_url(url)


def test_an_address_with_a_password_is_refused_without_repeating_it():
    with pytest.raises(BadEnvironment) as caught:
        Git().check_url("https://teacher:s3cret@example.org/x")
    assert "s3cret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.org/a/b.git", ("example.org", None)),
        ("https://example.org:8443/a", ("example.org", 8443)),
        ("ssh://git@example.org/a", ("example.org", None)),
        ("git@example.org:a/b.git", ("example.org", None)),
    ],
)
def test_the_host_of_each_form_of_address(url, host):
    assert host_of(url) == host


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://localhost/x", "http://[::1]/x"])
def test_a_private_host_is_refused_until_it_is_named(url):
    with pytest.raises(GitHostDown, match="not a public address"):
        Git().check_url(url)
    Git(hosts=("*", "127.0.0.1:1", "localhost", "::1")).check_url(url)


def test_a_host_that_is_not_named_is_refused_where_hosts_are_named():
    with pytest.raises(GitHostDown, match=r"does not fetch from example\.com"):
        Git(hosts=("example.org",)).check_url("https://example.com/x")


def test_the_callers_git_settings_do_not_count(monkeypatch, tmp_path):
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n\tname = Somebody\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    with pytest.raises(GitFailed):
        Git().run("config", "user.name")


def test_a_command_that_takes_too_long_ends_and_names_the_server(tmp_path):
    with pytest.raises(GitHostDown, match="did not answer"):
        Git(timeout=0.3).run("hash-object", "--", "/dev/zero", cwd=tmp_path)
