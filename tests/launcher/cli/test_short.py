"""Short links on the command line."""

from __future__ import annotations

import json

import pytest

from launcher.__main__ import main

URL = "https://l.org/launch?env=intro@v1&repo=https://h.org/a/b"


@pytest.fixture
def run(tmp_path, capsys):
    def run(*words):
        code = main(["link", *words, "--data", str(tmp_path), "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else said.err

    return run


def test_a_short_link_is_saved_listed_closed_and_opened(run):
    code, made = run("save", "week-1", URL, "--opens", "2020-01-01T09:00+01:00", "--title", "One")
    assert (code, made["state"], made["opens"]) == (0, "open", 1577865600.0)
    assert made["url"].endswith("/go/week-1")
    assert [row["slug"] for row in run("saved")[1]] == ["week-1"]
    assert run("close", "week-1")[1]["state"] == "disabled"
    assert run("open", "week-1")[1]["state"] == "open"


def test_a_repair_keeps_the_times(tmp_path, run, capsys):
    times = ("--opens", "2099-01-01T09:00+00:00", "--closes", "2099-01-01T11:00+00:00")
    _, made = run("save", "exam", URL, *times)
    _, mended = run("save", "exam", f"{URL}&path=exam.ipynb")
    assert (mended["state"], mended["opens"]) == ("early", made["opens"])
    assert mended["closes"] == made["closes"] > mended["opens"]
    assert run("save", "exam", URL, "--opens", "none")[1]["state"] == "open"
    assert main(["link", "save", "exam", URL, "--closes", "", "--data", str(tmp_path)]) == 0
    assert "closes" not in capsys.readouterr().out
    assert main(["link", "save", "exam", URL, *times, "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "\nopens " in said
    assert "2099-01-01" in said.split("\ncloses ")[1]


def test_a_new_time_must_fit_to_the_one_that_is_kept(run):
    run("save", "exam", URL, "--opens", "2099-01-01T09:00")
    code, said = run("save", "exam", URL, "--closes", "2098-01-01T09:00")
    assert code == 1
    assert "before it opens Thursday 2099-01-01" in said


def test_a_wrong_time_or_name_is_a_sentence(run):
    code, said = run("save", "x", URL, "--closes", "Monday")
    assert code == 1
    assert "'Monday' is not a time" in said
    code, said = run("close", "none")
    assert code == 1
    assert "no link called 'none'" in said
