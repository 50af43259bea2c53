"""`launcher link`: links in every dialect, made and read without a server."""

import json

import pytest

from launcher.__main__ import main

WORDS = ["--repo", "https://github.com/org/repo/blob/main/a.ipynb"]


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*words):
        code = main(["link", *words])
        return code, *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ("words", "url"),
    [
        (["--env", "gh/org/env@v1"], "/launch?env=gh/org/env@v1&repo=https://github.com/org/repo"
         "&branch=main&path=a.ipynb"),
        (["--env", "gl/g/s/env@v1", "--dialect", "binder", "--host", "https://b.org/x"],
         "https://b.org/x/v2/gl/g%2Fs%2Fenv/v1?urlpath=git-pull%3Frepo%3Dhttps%253A%252F%252F"
         "github.com%252Forg%252Frepo%26urlpath%3Dlab%252Ftree%252Frepo%252Fa.ipynb"
         "%26branch%3Dmain"),
        (["--dialect", "jupyterhub", "--host", "https://h.org", "--app", "notebook"],
         "https://h.org/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgithub.com%2Forg%2Frepo"
         "&urlpath=tree%2Frepo%2Fa.ipynb&branch=main"),
        (["--env", "intro-ds", "--dialect", "jupyterbook", "--host", "https://me.org"],
         "https://me.org/with/intro-ds/hub/user-redirect/git-pull?repo=https%3A//github.com/org"
         "/repo&urlpath=lab/tree/repo/a.ipynb&branch=main"),
    ],
)  # fmt: skip
def test_a_link_is_made_in_a_dialect_and_read_back(run, words, url):
    code, out, _ = run("new", *WORDS, *words, "--json")
    made = json.loads(out)
    assert code == 0
    assert made["url"].endswith(url)
    _, out, _ = run("parse", made["url"], "--json")
    back = json.loads(out)
    assert (back["repo"], back["branch"], back["path"]) == (
        "https://github.com/org/repo",
        "main",
        "a.ipynb",
    )


def test_what_a_dialect_cannot_say_is_told_with_the_way_out(run):
    code, out, err = run("new", *WORDS, "--env", "intro-ds", "--dialect", "binder")
    assert (code, out) == (1, "")
    assert "Use the environment's git address." in err
    assert run("new", *WORDS)[0] == 1
    assert run("parse", "https://mybinder.org/v2/zenodo/10.5281/zenodo.3242074")[0] == 1


def test_reading_for_people_shows_what_is_there(run):
    code, out, _ = run("parse", "https://h.org/hub/user-redirect/git-pull?repo=https://h/r&x=1")
    assert code == 0
    assert "repo    https://h/r\n" in out
    assert "'x' means nothing here" in out
    assert "env" not in out.splitlines()[0]
