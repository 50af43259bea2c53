"""Git runs for strangers' addresses: what it refuses, and what it does not inherit."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from envs.errors import (
    BadEnvironment,
    GitHostDown,
    HostNotAllowed,
    OverLimit,
    RepoNotFound,
    TooLarge,
)
from envs.git import Git, GitFailed
from envs.hosts import host_of
from envs.version import resolve_version
from tests.git_server import Repo
from tests.waiting import wait_for


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
        "http://127%2e0%2e0%2e1:1/x",
        "ssh://127%2e0%2e0%2e1/x",
        "git@[127.0.0.1:8080]:x",
        "a@github.com@127.0.0.1:x",
        "ssh://github.com?@127.0.0.1/x",
        "ssh://github.com#@127.0.0.1/x",
        "ssh://a@github.com@127.0.0.1/x",
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
    with pytest.raises(HostNotAllowed, match="not a public address"):
        Git().check_url(url)
    Git(hosts=("*", "127.0.0.1:1", "localhost", "::1")).check_url(url)


def test_a_host_that_is_not_named_is_refused_where_hosts_are_named():
    with pytest.raises(HostNotAllowed, match=r"does not fetch from example\.com"):
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


@pytest.mark.parametrize("stream", ["", ">&2"], ids=["stdout", "stderr"])
def test_a_command_that_prints_without_end_is_ended(tmp_path, stream):
    """An alias stands for any command of git."""
    note = tmp_path / "pid"
    with pytest.raises(TooLarge, match="64 MB"):
        Git().run(
            "-c", f"alias.flood=!echo $$ >{note}; exec yes {stream}; :", "flood", cwd=tmp_path
        )
    wait_for(lambda: not Path("/proc", note.read_text().strip()).exists())


def test_whoever_watches_a_command_may_end_it(tmp_path):
    note, looks = tmp_path / "pid", []

    def watch():
        if note.exists() and note.read_text().strip():
            looks.append(1)
        if len(looks) == 2:
            raise OverLimit("no room")

    with pytest.raises(OverLimit):
        Git().run("-c", f"alias.nap=!echo $$ >{note}; exec sleep 50; :", "nap", cwd=tmp_path,
                  watch=watch)  # fmt: skip
    wait_for(lambda: not Path("/proc", note.read_text().strip()).exists())


def test_what_is_given_and_printed_may_be_long(tmp_path):
    text = "line\n" * 500_000
    assert Git().run("-c", "alias.same=!cat", "same", cwd=tmp_path, stdin=text) == text


@pytest.fixture
def redirecting():
    """A server that sends everybody to where its `target` says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(302)
            rest = self.path.removeprefix("/old")
            self.send_header("Location", self.server.target + rest)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def test_a_repository_that_moved_is_followed_where_links_may_go(redirecting, host, tmp_path):
    Repo.create(tmp_path / "git/env", {"a": "1"}, tag="v1")
    old = f"http://127.0.0.1:{redirecting.server_port}/old"
    redirecting.target = host.url("env")
    both = Git((host.host, f"127.0.0.1:{redirecting.server_port}"))
    assert resolve_version(old, "v1", git=both).kind == "tag"
    only = Git((f"127.0.0.1:{redirecting.server_port}",))
    before = len(host.requests)
    with pytest.raises(HostNotAllowed, match="does not fetch from"):
        resolve_version(old, "v1", git=only)
    assert len(host.requests) == before, "it was not even asked"


def test_a_server_that_sends_in_circles_is_an_error(redirecting):
    old = f"http://127.0.0.1:{redirecting.server_port}/old"
    redirecting.target = f"http://127.0.0.1:{redirecting.server_port}/old/old"
    with pytest.raises((GitHostDown, RepoNotFound)):
        resolve_version(old, "v1", git=Git(("127.0.0.1",)))
