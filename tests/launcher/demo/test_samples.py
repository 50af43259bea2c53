"""The sample course is two real repositories, the same on every machine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from launcher.demo.git_server import GitServer
from launcher.demo.samples import GREETING, make_samples, sample_link
from link_generator.link import compose_link, parse_link


def git(*args: str) -> str:
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout


def test_the_environment_is_the_same_commit_everywhere(tmp_path: Path) -> None:
    commits = set()
    for name in ("one", "two"):
        make_samples(tmp_path / name)
        commits.add(git("-C", str(tmp_path / name / "intro-env"), "rev-parse", "v1"))
    assert len(commits) == 1


def test_a_second_demo_keeps_what_was_pushed_to_the_course(tmp_path: Path) -> None:
    make_samples(tmp_path)
    (tmp_path / "intro" / "mine.txt").write_text("mine")
    make_samples(tmp_path)
    assert (tmp_path / "intro" / "mine.txt").read_text() == "mine"


def test_the_link_names_a_tag_and_a_notebook_that_the_server_has(tmp_path: Path) -> None:
    make_samples(tmp_path / "repositories")
    with GitServer(tmp_path / "repositories") as server:
        link = sample_link(f"http://{server.host}")
        assert "refs/tags/v1" in git("ls-remote", "--", server.url("intro-env"))
        git("clone", "--quiet", "--", server.url("intro"), str(tmp_path / "clone"))
    notebook = json.loads((tmp_path / "clone" / link.path).read_text())
    assert any(GREETING in cell["source"] for cell in notebook["cells"])


def test_the_printed_link_reads_back_as_it_was() -> None:
    link = sample_link("http://127.0.0.1:1")
    assert parse_link(compose_link(link, "http://127.0.0.1:2")) == (link, ())


def test_nobody_can_push_to_the_demo_server(tmp_path: Path) -> None:
    make_samples(tmp_path / "repositories")
    with GitServer(tmp_path / "repositories") as server:
        git("clone", "--quiet", "--", server.url("intro"), str(tmp_path / "clone"))
        command = ["git", "push", "--quiet", "origin", "HEAD:refs/heads/other"]
        pushed = subprocess.run(command, cwd=tmp_path / "clone", capture_output=True, text=True)
    assert pushed.returncode != 0
