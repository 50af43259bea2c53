"""A teacher's repository behind a real git server, mirrors, a student's home, a session."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

import pytest

from envs.git import Git
from launcher.content.delivered import folders_of
from launcher.content.delivery import Delivery
from launcher.content.mirror import Mirrors
from launcher.session import Limits, SessionSpec
from link_generator.content import Content
from tests.fakes import HereRuntime
from tests.git_server import GitServer, Repo


@dataclass
class Student:
    """One student's home and running session."""

    spec: SessionSpec
    runtime: HereRuntime
    mirrors: Mirrors
    url: str

    @property
    def folder(self):
        return self.spec.home / "course"

    def pull(self, branch="", only=""):
        content = Content(self.url, branch, only)
        upstream = self.mirrors.refresh(content.repo, content.branch)
        return Delivery(self.mirrors, self.runtime).deliver(content, upstream, self.spec, "course")

    def open(self, link):
        """Bring a link's content; the folders that it went to."""
        found = folders_of(link, self.spec)
        for content, folder in zip(link.contents, found, strict=True):
            upstream = self.mirrors.refresh(content.repo, content.branch)
            Delivery(self.mirrors, self.runtime).deliver(content, upstream, self.spec, folder)
        return found

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
        """Every path in the folder, without git's own."""
        return sorted(
            str(path.relative_to(self.folder))
            for path in self.folder.rglob("*")
            if ".git" not in path.relative_to(self.folder).parts and not path.is_dir()
        )


@pytest.fixture
def server(tmp_path):
    with GitServer(tmp_path / "served") as running:
        yield running


@pytest.fixture
def teacher(tmp_path):
    return Repo.create(tmp_path / "served/course", {"a.txt": "one\ntwo\nthree\n", "b.txt": "b\n"})


@pytest.fixture
def mirrors(tmp_path, server):
    return Mirrors(tmp_path / "content", Git(hosts=(server.host,)))


@pytest.fixture
def new_student(tmp_path, mirrors, server):
    """Makes students, each with a home of their own."""

    def make(name="s1", **runtime):
        home = tmp_path / "homes" / name / "course-1"
        home.mkdir(parents=True)
        spec = SessionSpec(
            id=f"ab{len(name):02}",
            owner=name,
            course="course-1",
            image="env/x:1",
            link="",
            token="t",
            home=home,
            limits=Limits(1 << 30, 1.0, 100),
        )
        here = HereRuntime(**runtime)
        here.homes[spec.id] = home
        return Student(spec, here, mirrors, server.url("course"))

    return make


@pytest.fixture
def student(new_student, teacher):
    return new_student()


@pytest.fixture
def url(server, teacher):
    return server.url("course")
