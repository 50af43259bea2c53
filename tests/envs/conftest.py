"""A git host on loopback, and a builder that is a folder of files."""

from __future__ import annotations

import pytest

from envs.git import Git
from tests.git_server import GitServer, Repo


@pytest.fixture
def host(tmp_path):
    (tmp_path / "git").mkdir()
    with GitServer(tmp_path / "git") as server:
        yield server


@pytest.fixture
def git(host):
    return Git((host.host,), timeout=120)


@pytest.fixture
def env(host):
    return Repo.create(host.root / "env", {"a": "1"}, tag="v1")


@pytest.fixture
def url(host, env):
    return host.url("env")
