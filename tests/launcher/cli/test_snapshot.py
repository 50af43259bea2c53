"""`launcher snapshot`: undo on the command line."""

import json

import pytest

from launcher.__main__ import main
from tests.git_server import GitServer, Repo


@pytest.fixture
def mine(tmp_path):
    """A folder whose last pull merged a change of the teacher's into a changed file."""
    teacher = Repo.create(tmp_path / "served/course", {"a.txt": "one\ntwo\n"})
    with GitServer(tmp_path / "served") as server:
        folder = tmp_path / "mine"
        assert main(["pull", server.url("course"), str(folder)]) == 0
        (folder / "a.txt").write_text("one\ntwo\nmine\n")
        teacher.commit({"a.txt": "zero\none\ntwo\n"})
        assert main(["pull", server.url("course"), str(folder)]) == 0
    return folder


def test_list_show_restore(mine, capsys):
    capsys.readouterr()
    assert main(["snapshot", "list", str(mine), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert main(["snapshot", "show", str(mine), found["id"], "a.txt"]) == 0
    assert "-zero" in capsys.readouterr().out
    assert main(["snapshot", "restore", str(mine), found["id"]]) == 0
    assert (mine / "a.txt").read_text() == "zero\none\ntwo\nmine\n"
    assert main(["snapshot", "restore", str(mine), found["id"], "--in-place"]) == 0
    assert (mine / "a.txt").read_text() == "one\ntwo\nmine\n"
    assert main(["snapshot", "start-over", str(mine), "a.txt"]) == 0
    assert (mine / "a.txt").read_text() == "zero\none\ntwo\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "/nowhere"], "no course files"),
        (["restore", "DIR", "20200101-000000"], "no snapshot"),
        (["start-over", "DIR", "x.txt"], "not one of the course files"),
    ],
)
def test_trouble_is_a_sentence(mine, capsys, words, said):
    assert main(["snapshot", *(str(mine) if word == "DIR" else word for word in words)]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
