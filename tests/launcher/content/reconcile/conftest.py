"""A teacher's repository, and a person's folder that is pulled into."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from envs.git import Git
from launcher.content.here import pull_here
from tests.git_server import GitServer, Repo


@dataclass
class Pulled:
    """The folder DIR of `launcher pull URL DIR`."""

    folder: Path
    url: str

    def pull(self, branch="", **options):
        words = {"depth": 1, "backup": False, "git": Git(personal=True)} | options
        return pull_here(words.pop("url", self.url), self.folder, branch=branch, **words)

    def git(self, *args):
        return subprocess.run(
            ["git", "-c", "user.name=S", "-c", "user.email=s@example.org", *args],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def read(self, name):
        return (self.folder / name).read_text()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    @property
    def files(self):
        found = (path.relative_to(self.folder) for path in self.folder.rglob("*"))
        return sorted(
            str(one)
            for one in found
            if not one.parts[0].startswith(".git")
            and (not (self.folder / one).is_dir() or (self.folder / one).is_symlink())
        )

    @property
    def status(self):
        return self.git("status", "--porcelain").splitlines()

    def settled(self):
        """Pulling again changes nothing, and git finds nothing wrong."""
        before = {
            path: (path.lstat().st_mtime_ns, path.lstat().st_mode)
            for path in self.folder.rglob("*")
            if ".git" not in path.parts
        }
        receipt = self.pull()
        after = {
            path: (path.lstat().st_mtime_ns, path.lstat().st_mode)
            for path in self.folder.rglob("*")
            if ".git" not in path.parts
        }
        assert after == before
        assert receipt.before == receipt.after
        self.git("fsck", "--strict")
        return True


@pytest.fixture
def server(tmp_path):
    with GitServer(tmp_path / "served") as running:
        yield running


@pytest.fixture
def teacher(tmp_path):
    files = {"a.txt": "one\ntwo\nthree\n", "b.txt": "b\n", "d/x.txt": "x\n", "p.bin": b"\0\1"}
    return Repo.create(tmp_path / "served/course", files)


@pytest.fixture
def mine(tmp_path, server, teacher):
    pulled = Pulled(tmp_path / "mine", server.url("course"))
    pulled.pull()
    return pulled
