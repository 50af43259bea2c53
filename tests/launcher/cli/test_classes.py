"""Classes on the command line."""

from __future__ import annotations

import json

import pytest

from launcher.__main__ import main
from launcher.database import Database
from launcher.people.audit import Audit

SETTINGS = """
runtime: local
capacity: {memory: 4G}
environments: {catalogue: {intro: {repo: "https://h.org/a/intro", tag: v1}}}
classes:
  - {day: tue, time: "10:00", env: intro, students: 5}
"""


@pytest.fixture
def run(tmp_path, capsys):
    (tmp_path / "settings.yml").write_text(SETTINGS)
    common = ["--settings", str(tmp_path / "settings.yml"), "--data", str(tmp_path / "data")]

    def run(*words):
        code = main(["class", *words, *common, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err

    return run


def test_a_class_is_planned_with_its_forecast_listed_and_cancelled(run, tmp_path):
    code, made = run("warm", "intro", "-n", "20", "--at", "2099-11-24T10:00", "--for", "30m")
    assert (code, made["id"], made["lasts"]) == (0, 1, 1800)
    assert made["forecast"]["verdict"] == "too many"
    assert "At most 10 fit" in made["forecast"]["sentence"]
    assert [row["students"] for row in run("list")[1]] == [5, 20]
    assert run("cancel", "1") == (0, {"cancelled": 1})
    assert [row["id"] for row in run("list")[1]] == [0]
    deeds = Audit(Database.of(tmp_path / "data")).last()
    assert [one.what for one in deeds] == ["class cancelled", "class planned"]


def test_what_fits_is_said_without_planning(run):
    assert run("forecast", "intro", "-n", "8")[1]["verdict"] == "fits"
    assert run("forecast", "intro", "-n", "10")[1]["verdict"] == "tight"
    assert [row["id"] for row in run("list")[1]] == [0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("warm", "none", "-n", "5"), "no environment called 'none'"),
        (("warm", "intro", "-n", "0"), "at least one student"),
        (("warm", "intro", "-n", "5", "--at", "Monday"), "'Monday' is no time"),
        (("warm", "intro", "-n", "5", "--at", "2020-01-01T10:00"), "time is over"),
        (("warm", "intro", "-n", "5", "--for", "long"), "--for"),
        (("cancel", "7"), "no class 7"),
    ],
)
def test_what_cannot_be_planned_is_a_sentence(run, words, said):
    code, error = run(*words)
    assert code == 1
    assert said in error
