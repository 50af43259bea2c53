"""What fits is found, and a branch with a slash is told from a folder."""

import pytest

from link_generator.choices import Choice, fitting, split_branch
from link_generator.form import fill
from link_generator.generator import Generator

FILES = [Choice(one) for one in ("wk1/intro.ipynb", "data/intro.csv", "README.md", "wk1")]


def values(text, **more):
    return [one.value for one in fitting(FILES, text, **more)]


def test_what_begins_with_the_text_comes_first():
    assert values("") == [one.value for one in FILES]
    assert values("wk") == ["wk1/intro.ipynb", "wk1"]
    assert values("INTRO") == ["wk1/intro.ipynb", "data/intro.csv"]
    assert values("adme") == ["README.md"]
    assert values("wk1/") == ["wk1/intro.ipynb", "wk1"]
    assert values("nothing") == []


def test_one_folder_s_files_are_those_in_it():
    assert values("", inside="wk1") == ["wk1/intro.ipynb"]
    assert values("", inside="wk") == []


@pytest.mark.parametrize(
    ("branch", "path", "names", "found"),
    [
        ("feature", "x/a.ipynb", ("feature/x", "main"), ("feature/x", "a.ipynb")),
        ("feature", "x/a.ipynb", ("feature", "feature/x"), ("feature/x", "a.ipynb")),
        ("feature", "x", ("feature/x",), ("feature/x", "")),
        ("main", "x/a.ipynb", ("main",), ("main", "x/a.ipynb")),
        ("gone", "x/a.ipynb", ("main",), ("gone", "x/a.ipynb")),
        ("feature", "xy/a.ipynb", ("feature/x",), ("feature", "xy/a.ipynb")),
    ],
)
def test_a_branch_with_a_slash_is_one_that_exists(branch, path, names, found):
    assert split_branch(branch, path, names) == found


def test_a_pasted_page_of_such_a_branch_fills_the_fields():
    asked = []

    def names(repo):
        asked.append(repo)
        return ("main", "feature/x", "release/1")

    url = "https://github.com/org/course/blob/feature/x/wk1/a.ipynb"
    env = "https://github.com/org/env/tree/release/1"
    fields = fill({"env": env, "repo": url}, names=names).fields
    assert (fields["branch"], fields["path"]) == ("feature/x", "wk1/a.ipynb")
    assert fields["env"] == "gh/org/env@release/1"
    fill(fields, names=names)
    fill({"repo": f"https://github.com/org/course/blob/{'a' * 40}/a.ipynb"}, names=names)
    assert asked == ["https://github.com/org/env", "https://github.com/org/course"]


def test_the_version_has_a_field_of_its_own():
    apart = fill({"env": "intro", "version": "stable", "repo": "https://h/r"})
    assert (apart.draft.env, apart.draft.tag) == ("intro", "stable")
    assert (apart.form["env"], apart.form["version"]) == ("intro", "stable")
    typed = fill({"env": "intro@2", "version": "1", "repo": "https://h/r"})
    assert typed.draft.tag == "2", "what was typed behind the name is newer"
    assert fill({"env": "", "version": "1", "repo": "https://h/r"}).draft.env == ""


class Commits:
    def __init__(self, commit):
        self.found = commit

    def names(self, repo):
        return ()

    def commit(self, repo, branch):
        return self.found


@pytest.mark.parametrize("commit", ["c" * 40, ""])
def test_a_pinned_link_names_the_commit_or_says_why_not(commit):
    generator = Generator("https://me", {}, choices=Commits(commit))
    given = {"env": "intro", "repo": "https://h/r", "branch": "main", "pin": "yes"}
    filled = generator.read(given)
    assert filled.draft.branch == (commit or "main")
    assert filled.fields["branch"] == "main", "the field keeps what was typed"
    assert bool(filled.notes) == (not commit)
