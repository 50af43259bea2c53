"""What is checked of a host is what git then contacts; hosts in trouble are told apart."""

import time

import pytest

from envs.errors import EnvError, GitHostDown, HostNotAllowed
from envs.git import Git
from envs.hosts import pin
from envs.version import resolve_version
from tests.git_server import GitServer, Repo
from tests.hostile_host import ENDLESS, TROUBLES, HostileHost


@pytest.fixture
def hostile():
    with HostileHost() as running:
        yield running


@pytest.mark.parametrize(("trouble", "says"), TROUBLES.items())
def test_each_trouble_has_a_sentence_of_its_own_and_an_end(hostile, trouble, says):
    hosts = ("*", hostile.host) if trouble == "away" else (hostile.host,)
    limit = 1.5 if trouble in ENDLESS else 120.0
    began = time.monotonic()
    with pytest.raises(EnvError) as caught:
        resolve_version(hostile.url(trouble), "v1", git=Git(hosts, timeout=limit))
    assert says in caught.value.message
    assert caught.value.hint
    assert time.monotonic() - began < 60


def test_a_redirect_that_never_ends_has_the_time_limit_of_the_whole(hostile):
    began = time.monotonic()
    with pytest.raises(GitHostDown, match="did not answer within 2 s"):
        resolve_version(hostile.url("lingering"), "v1", git=Git((hostile.host,), timeout=2.0))
    assert time.monotonic() - began < 60


def test_a_name_that_stands_for_another_address_later_leads_nowhere_else(tmp_path):
    """Git asks the system, for which *.localhost is this machine; the check saw another one."""
    (tmp_path / "git").mkdir()
    with GitServer(tmp_path / "git") as inner:
        Repo.create(inner.root / "secret", {"a": "1"}, tag="v1")
        url = f"http://rebound.localhost:{inner.port}/secret"
        named = Git((f"rebound.localhost:{inner.port}",))
        assert resolve_version(url, "v1", git=named).kind == "tag", "git itself would go there"
        before = len(inner.requests)
        checked = Git(named.hosts, resolve=lambda host: ("127.0.0.2",))  # where nobody listens
        with pytest.raises(GitHostDown, match="cannot be reached"):
            resolve_version(url, "v1", git=checked)
        assert len(inner.requests) == before


def test_the_address_that_was_checked_is_contacted(tmp_path):
    (tmp_path / "git").mkdir()
    with GitServer(tmp_path / "git") as server:
        Repo.create(server.root / "env", {"a": "1"}, tag="v1")
        url = f"http://git.example.invalid:{server.port}/env"
        git = Git(("git.example.invalid",), resolve=lambda host: ("127.0.0.1",))
        assert resolve_version(url, "v1", git=git).kind == "tag"


def test_a_name_that_changes_between_check_and_question_is_checked_again():
    answers = iter([("192.0.0.9",), ("127.0.0.1",)])
    git = Git(resolve=lambda host: next(answers))
    with pytest.raises(HostNotAllowed, match="not a public address"):
        resolve_version("http://git.example.invalid/env", "v1", git=git)


def test_a_name_that_stands_for_nothing_is_not_asked_for_again_by_git():
    with pytest.raises(GitHostDown, match=r"no server called git\.example\.invalid"):
        resolve_version("https://git.example.invalid/env", "v1", git=Git(resolve=lambda host: ()))


@pytest.mark.parametrize(
    ("url", "addresses", "found"),
    [
        (
            "https://h.org/x",
            ["1.2.3.4", "::5"],
            ("http.curloptResolve=h.org:443:1.2.3.4,[::5]", ""),
        ),
        ("http://h.org:81/x", ["1.2.3.4"], ("http.curloptResolve=h.org:81:1.2.3.4", "")),
        ("git@h.org:x/y", ["1.2.3.4"], ("", " -oHostName=1.2.3.4 -oHostKeyAlias=h.org")),
        ("ssh://git@h.org:22/x", ["::5"], ("", " -oHostName=::5 -oHostKeyAlias=h.org")),
        ("https://1.2.3.4/x", ["1.2.3.4"], ("", "")),
        ("https://h.org/x", [], ("", "")),
    ],
)
def test_how_git_is_kept_to_an_address(url, addresses, found, monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert pin(url, addresses) == found


def test_a_proxy_asks_for_names_itself(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    assert pin("https://h.org/x", ["1.2.3.4"]) == ("", "")
    monkeypatch.setenv("no_proxy", "h.org")
    assert pin("https://h.org/x", ["1.2.3.4"])[0]
