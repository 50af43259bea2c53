"""`launcher pull`: exit code 0 exactly when the content is in place, and never a traceback."""

import json
import os

import pytest

from launcher.__main__ import main
from tests.git_server import GitServer, Repo


@pytest.fixture
def served(tmp_path):
    Repo.create(tmp_path / "served/course", {"a.txt": "a\n"}, tag="v1")
    with GitServer(tmp_path / "served") as server:
        yield server


def test_first_and_second_pull(served, tmp_path, capsys):
    target = tmp_path / "deep/er/mine"
    assert main(["pull", served.url("course"), str(target)]) == 0
    assert (target / "a.txt").read_text() == "a\n"
    (target / "a.txt").write_text("mine\n")
    Repo(tmp_path / "served/course").commit({"b.txt": "b\n"})
    capsys.readouterr()
    assert main(["pull", served.url("course"), str(target), "--json"]) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert receipt["new"] == ["b.txt"]
    assert (target / "a.txt").read_text() == "mine\n"
    assert main(["pull", served.url("course"), str(target), "--branch", "v1"]) == 0
    assert not (target / "b.txt").exists()


def test_an_empty_folder_is_filled_and_stays_the_same_folder(served, tmp_path, monkeypatch):
    """A shell that stands in it sees the files."""
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    assert main(["pull", served.url("course"), "."]) == 0
    assert os.listdir(".").count("a.txt") == 1


def test_a_folder_that_was_deleted_meanwhile_is_a_sentence(served, tmp_path, monkeypatch, capsys):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    (tmp_path / "mine").rmdir()
    assert main(["pull", served.url("course"), "x"]) == 1
    assert "No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["--branch", "none"], ["--branch", "--upload-pack=touch"], ["--branch", "0" * 40]],
)
def test_a_wrong_branch_is_a_sentence(served, tmp_path, capsys, words):
    words = [f"{words[0]}={words[1]}"]
    assert main(["pull", served.url("course"), str(tmp_path / "mine"), *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("launcher: ")
    assert "Traceback" not in said
    assert not (tmp_path / "mine").exists()


def test_a_missing_repository_is_a_sentence(served, tmp_path, capsys):
    assert main(["pull", served.url("none"), str(tmp_path / "mine")]) == 1
    assert "no repository" in capsys.readouterr().err
    assert main(["pull", "http://127.0.0.1:1/x", str(tmp_path / "mine")]) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_a_name_that_is_no_text_can_be_shown(served, tmp_path, capsys):
    repo = Repo(tmp_path / "served/course")
    with open(os.fsencode(repo.folder) + b"/caf\xe9", "wb"):
        pass
    repo.commit({})
    assert main(["pull", served.url("course"), str(tmp_path / "mine"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == ["a.txt", "caf\\xe9"]
