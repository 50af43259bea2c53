"""Webhooks: a signed push of an environment builds it, and nothing else does."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading

import pytest
from flask import Flask

from envs.errors import BuildFailed
from launcher.prebuild import Prebuild
from launcher.settings.entries import CatalogueEntry
from launcher.web import errors, hooks, request
from tests.waiting import wait_for

SECRET = "s3cret"
CATALOGUE = {
    "intro": CatalogueEntry("https://github.com/org/intro-env.git", "2025.1"),
    "next": CatalogueEntry("gh/org/intro-env", "main"),
    "lab": CatalogueEntry("git@git.example.org:lab/env", "v1"),
}
GITHUB = {"clone_url": "https://github.com/org/intro-env.git", "html_url": "https://x.example/y"}


@pytest.fixture
def built():
    return []


@pytest.fixture
def client(tmp_path, built):
    (tmp_path / "secret").write_text(SECRET + "\n")
    return client_of(tmp_path / "secret", built)


def client_of(secret_file, built):
    app = Flask("launcher.web", template_folder="templates")
    app.config.update(SECRET=b"k" * 32, PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(
        hooks.create_blueprint(CATALOGUE, secret_file, lambda *push: built.append(push))
    )
    errors.register(app)
    return app.test_client()


def send(client, message, headers=None):
    body = json.dumps(message).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    signed = {"X-Hub-Signature-256": f"sha256={digest}"} if headers is None else headers
    signed = {k: v.replace("DIGEST", digest) for k, v in signed.items()}
    return client.post(
        "/api/hooks/environments", data=body, headers=signed, content_type="application/json"
    )


@pytest.mark.parametrize(
    ("message", "pushed"),
    [
        (
            {"ref": "refs/tags/2025.2", "repository": GITHUB},
            [("https://github.com/org/intro-env.git", "2025.2"),
             ("https://github.com/org/intro-env", "2025.2")],
        ),
        ({"ref": "refs/heads/main", "repository": GITHUB},
         [("https://github.com/org/intro-env", "main")]),
        ({"ref": "refs/heads/other", "repository": GITHUB}, []),
        ({"ref": "refs/tags/v9", "repository": {"clone_url": "https://github.com/org/else"}}, []),
        ({"ref": "refs/tags/v9", "after": "0" * 40, "repository": GITHUB}, []),
        ({"ref": "refs/tags/v2", "project": {"git_http_url": "https://git.example.org/lab/env.git"}},
         [("git@git.example.org:lab/env", "v2")]),
        ({"zen": "ping"}, []),
    ],
)  # fmt: skip
def test_a_push_builds_what_the_catalogue_names(client, built, message, pushed):
    answer = send(client, message)
    assert answer.status_code == 202
    assert built == pushed
    assert len(answer.json["building"]) == len(pushed)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Gitea-Signature": "DIGEST"}, 202),
        ({"X-Gitlab-Token": SECRET}, 202),
        ({"X-Gitlab-Token": "other"}, 403),
        ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, 403),
        ({"X-Hub-Signature": "sha1=DIGEST"}, 403),
        ({"X-Gitlab-Token": "ü"}, 403),
        ({}, 403),
    ],
)
def test_only_a_signed_message_counts(client, built, headers, status):
    message = {"ref": "refs/tags/v1", "repository": GITHUB}
    assert send(client, message, headers).status_code == status
    assert bool(built) == (status == 202)


def test_without_a_secret_there_are_no_webhooks(tmp_path, built):
    (tmp_path / "empty").write_text("")
    assert send(client_of(None, built), {}).status_code == 404
    token = {"X-Gitlab-Token": ""}
    assert send(client_of(tmp_path / "empty", built), {}, token).status_code == 403


def test_a_message_that_is_no_json_is_said(client):
    digest = hmac.new(SECRET.encode(), b"payload=x", hashlib.sha256).hexdigest()
    answer = client.post(
        "/api/hooks/environments", data=b"payload=x", headers={"X-Gitea-Signature": digest}
    )
    assert answer.status_code == 400
    assert "application/json" in answer.json["error"]["message"]


def test_a_build_that_fails_is_a_line_in_the_log_and_the_next_is_built(caplog):
    done = threading.Event()

    def build(repo, ref):
        if ref == "v1":
            raise BuildFailed("no such package")
        done.set()

    prebuild = Prebuild(build)
    for ref in ("v1", "v1", "v1", "v2"):
        prebuild.pushed("https://h/env", ref)
    assert done.wait(60)
    wait_for(lambda: "no such package" in caplog.text, 60)
