"""Credentials: for the repositories below their address, and seen nowhere."""

import os
import stat
import subprocess
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from envs.credentials import Credential, find_credential
from envs.errors import GitHostDown, RepoNotFound
from envs.git import Git
from envs.version import Version, resolve_version
from tests.git_server import GitServer, Repo

TOKEN = "s3cret-t0ken"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://github.com/org/private", "org"),
        ("https://GitHub.com:443/org/private.git", "org"),
        ("https://github.com/org/special/", "special"),
        ("https://github.com/organisation/x", None),
        ("https://github.com.evil.example/org/x", None),
        ("https://github.com/org/../other/x", None),
        ("https://github.com/org%2F..%2Fother/x", None),
        ("http://github.com/org/private", None),
        ("https://github.com:8443/org/private", None),
        ("git@github.com:org/slides.git", "key"),
        ("ssh://git@github.com/org/slides", "key"),
        ("git@github.com:org/slides2", None),
        ("", None),
        ("no address", None),
    ],
)
def test_an_address_finds_its_credential(tmp_path, url, wanted):
    known = [
        Credential("org", "https://github.com/org/", tmp_path / "t"),
        Credential("special", "https://github.com/org/special.git", tmp_path / "t"),
        Credential("key", "git@github.com:org/slides", tmp_path / "k"),
    ]
    found = find_credential(known, url)
    assert (found.name if found else None) == wanted


@pytest.fixture
def private(tmp_path):
    repo = Repo.create(tmp_path / "served/org/env", {"requirements.txt": "\n"}, tag="v1")
    with GitServer(tmp_path / "served", password=f"x-access-token:{TOKEN}") as server:
        (tmp_path / "token").write_text(TOKEN + "\n")
        credential = Credential("course", server.url("org/"), tmp_path / "token")
        yield server, repo, Git(hosts=(server.host,), credentials=(credential,))


def test_a_token_opens_a_private_repository(private):
    server, repo, git = private
    found = resolve_version(server.url("org/env"), "v1", git=git)
    assert found == Version(
        server.url("org/env"), "v1", repo.git("rev-parse", "HEAD").strip(), "tag"
    )
    with pytest.raises(RepoNotFound):
        resolve_version(server.url("org/env"), "v1", git=replace(git, credentials=()))


def test_the_token_is_on_no_command_line_and_in_no_message(private, monkeypatch, tmp_path):
    server, _, git = private
    seen = tmp_path / "seen"
    fake = tmp_path / "bin/git"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec /usr/bin/git "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    with pytest.raises(RepoNotFound) as caught:
        resolve_version(server.url("org/none"), "v1", git=git)
    assert "ls-remote" in seen.read_text()
    assert TOKEN not in seen.read_text() + str(caught.value) + repr(caught.value.__cause__)


def test_a_redirect_does_not_take_the_token_along(private, tmp_path):
    _, _, git = private
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            got.append((self.path, self.headers.get("Authorization")))
            if self.path.startswith("/org"):
                self.send_response(301)
                where = f"http://127.0.0.1:{self.server.server_port}/elsewhere"
                self.send_header("Location", where + self.path.removeprefix("/org/env"))
            else:
                self.send_response(404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        Thread(target=other.serve_forever, args=(0.02,), daemon=True).start()
        at = f"http://127.0.0.1:{other.server_port}"
        known = replace(git.credentials[0], url=f"{at}/org/")
        with pytest.raises((RepoNotFound, GitHostDown)):
            resolve_version(f"{at}/org/env", "v1", git=Git(("127.0.0.1",), credentials=(known,)))
        other.shutdown()
    assert got[0][1], "the first one had it"
    elsewhere = [token for path, token in got if path.startswith("/elsewhere")]
    assert elsewhere
    assert not any(elsewhere)


def test_a_missing_file_is_a_sentence_without_its_place(private, tmp_path):
    server, _, git = private
    (tmp_path / "token").unlink()
    with pytest.raises(GitHostDown) as caught:
        resolve_version(server.url("org/env"), "v1", git=git)
    assert "'course' cannot be read" in caught.value.message
    assert str(tmp_path) not in caught.value.message + caught.value.hint


@pytest.fixture
def fake_ssh(tmp_path, monkeypatch):
    """An `ssh` that notes its words and serves the repository from this machine."""
    Repo.create(tmp_path / "served/org/slides", {"a.txt": "a\n"}, tag="v1")
    program = tmp_path / "bin/ssh"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/words\n'
        'case "$*" in *" -G "*) exit 0;; esac\n'
        f"cd {tmp_path}/served && for last; do :; done && eval exec $last\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    subprocess.run(["git", "config", "--global", "safe.directory", "*"], check=True)
    return tmp_path / "words"


def test_a_deploy_key_is_the_only_key(fake_ssh, tmp_path):
    key = tmp_path / "deploy key"
    key.write_text("-----BEGIN\n")
    url = "git@git.example.org:org/slides"
    git = Git(hosts=("git.example.org",), credentials=(Credential("slides", url, key),))
    git.run("ls-remote", "--", url, remote=url, env={"GIT_CONFIG_GLOBAL": f"{tmp_path}/.gitconfig"})
    words = fake_ssh.read_text()
    assert f"-i {key}" in words
    assert "IdentitiesOnly=yes" in words


def test_without_one_a_link_never_uses_the_keys_of_this_machine(fake_ssh, tmp_path):
    url = "git@git.example.org:org/slides"
    env = {"GIT_CONFIG_GLOBAL": f"{tmp_path}/.gitconfig"}
    Git(hosts=("git.example.org",)).run("ls-remote", "--", url, remote=url, env=env)
    assert "IdentityFile=none" in fake_ssh.read_text()
    fake_ssh.unlink()
    Git(hosts=("git.example.org",), personal=True).run("ls-remote", "--", url, env=env)
    assert "IdentityFile" not in fake_ssh.read_text()
