"""The generator's fields: what a pasted address fills, and which of two values wins."""

import pytest

from link_generator.dialects import Place
from link_generator.errors import BadLink
from link_generator.form import fill, write, write_all

BINDER = (
    "https://mybinder.org/v2/gh/org/env/v1?urlpath=git-pull%3Frepo%3Dhttps%253A%252F%252Fgithub.com"
    "%252Forg%252Frepo%26urlpath%3Dtree%252Frepo%252Fa.ipynb%26branch%3Ddev"
)
HUB = "https://hub.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo&branch=dev"


def test_a_binder_link_fills_every_field():
    filled = fill({"repo": BINDER, "env": "", "app": "lab"})
    named = {name: value for name, value in filled.fields.items() if value}
    assert named == {
        "env": "gh/org/env@v1",
        "repo": "https://github.com/org/repo",
        "branch": "dev",
        "path": "a.ipynb",
        "app": "notebook",
    }
    assert filled.read == "This is a Binder link - we filled in the fields from it."
    assert filled.notes == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HUB, "This is a JupyterHub link"),
        ("https://h/hub/lti/launch?next=/hub/user-redirect/git-pull%3Frepo%3Dhttps://h/r",
         "This is a Canvas link"),
        ("https://h/with/gh/o/e/hub/user-redirect/git-pull?repo=https://h/r",
         "This is a Jupyter Book link"),
        ("https://h/launch?env=gh/o/e&repo=https://h/r", "This is a link of this launcher"),
        ("https://github.com/o/r/blob/main/a.ipynb", "Repository, branch and file were read"),
        ("https://github.com/o/r", ""),
    ],
)  # fmt: skip
def test_it_is_said_what_was_read(text, says):
    read = fill({"env": "intro-ds", "repo": text}).read
    assert read.startswith(says)
    assert bool(read) == bool(says)


def test_a_hub_s_link_keeps_the_environment_that_is_there():
    filled = fill({"env": "intro-ds@1", "repo": HUB}, pasted=True)
    assert filled.fields["env"] == "intro-ds@1"
    assert filled.fields["branch"] == "dev"
    assert filled.notes == ()


def test_what_was_typed_wins_unless_the_link_was_pasted_just_now():
    given = {"env": "intro-ds", "repo": BINDER, "branch": "main", "path": "old.ipynb"}
    typed, pasted = fill(given), fill(given, pasted=True)
    assert (typed.fields["env"], typed.fields["branch"]) == ("intro-ds", "main")
    assert "gh/org/env@v1" in typed.notes[0]
    assert (pasted.fields["env"], pasted.fields["branch"]) == ("gh/org/env@v1", "dev")
    assert pasted.fields["path"] == "a.ipynb"
    address = {"repo": "https://github.com/o/r/blob/dev/b.ipynb", "branch": "main"}
    assert fill(address).fields["branch"] == "main"
    assert fill(address, pasted=True).fields["branch"] == "dev"
    assert fill({"repo": "https://h/r", "branch": "x"}, pasted=True).fields["branch"] == "x"


def test_one_s_own_link_brings_all_its_repositories():
    own = "/launch?env=gh/o/e@v1&repo=https://h/a&only=wk1&repo2=https://h/b&branch2=x&only2=y"
    filled = fill({"repo": own})
    assert write(filled, "launcher", Place(), "https://me").url == f"https://me{own}"


def test_filling_twice_changes_nothing():
    once = fill({"repo": BINDER})
    again = fill(once.fields)
    assert again.draft == once.draft
    assert again.read == ""


def test_a_page_of_the_environment_gives_its_tag():
    filled = fill({"env": "https://github.com/org/env/tree/v1.0", "repo": "https://h/r"})
    assert filled.fields["env"] == "gh/org/env@v1.0"


@pytest.mark.parametrize(
    "text", ["https://mybinder.org/v2/gh/org", "file:///etc", "https://[::1", "..."]
)
def test_all_that_is_wrong_with_the_pasted_text_is_wrong_there(text):
    with pytest.raises(BadLink) as caught:
        fill({"env": "gh/o/e", "repo": text})
    assert caught.value.field == "repo"


def test_every_dialect_has_a_link_or_a_reason():
    made = write_all(fill({"env": "intro-ds", "repo": "https://h/r"}), Place("h.org"), "http://me")
    assert made["launcher"].url.startswith("http://me/launch?")
    assert made["jupyterhub"].url.startswith("https://h.org/hub/")
    assert made["canvas"].url.startswith("https://h.org/hub/lti/")
    assert made["jupyterbook"].url.startswith("http://me/with/intro-ds/")
    assert made["binder"].field == "env"
    assert made["jupyterhub"].notes == ()


def test_a_page_that_was_typed_is_read_as_app_page_and_file():
    given = {"env": "intro", "repo": "https://github.com/o/r", "app": "notebook"}
    filled = fill(given | {"urlpath": "/voila/render/r/wk1/a.ipynb", "dir": "/kurs/"})
    fields = {name: filled.fields[name] for name in ("app", "urlpath", "path", "dir")}
    assert fields == {"app": "lab", "urlpath": "voila/render", "path": "wk1/a.ipynb", "dir": "kurs"}
    assert fill(given | {"urlpath": "lab/tree/r/a.ipynb"}).draft.path == "a.ipynb"
    assert fill(given | {"urlpath": "proxy/8501/"}).draft.urlpath == "proxy/8501/"


@pytest.mark.parametrize("repo", ["", "https://github.com/o/r", "https://github.com/o/r.git"])
def test_a_file_s_web_address_can_stand_where_its_name_belongs(repo):
    page = "https://github.com/o/r/blob/feature/week-1/nb/a.ipynb"
    filled = fill({"env": "e", "repo": repo, "path": page}, names=lambda _: {"feature/week-1"})
    assert filled.draft.repo == "https://github.com/o/r"
    assert filled.draft.branch == "feature/week-1"
    assert filled.draft.path == "nb/a.ipynb"
    typed = fill({"env": "e", "branch": "main", "path": "https://github.com/o/r/blob/x/a.ipynb"})
    assert (typed.draft.branch, typed.draft.path) == ("main", "a.ipynb")


@pytest.mark.parametrize("path", ["https://github.com/o/other/blob/main/a.ipynb", "https://h/r"])
def test_a_web_address_of_something_else_is_said_to_be_one(path):
    with pytest.raises(BadLink) as caught:
        fill({"env": "e", "repo": "https://github.com/o/r", "path": path})
    assert caught.value.field == "path"
    assert "is a web address" in caught.value.message


def test_a_slash_before_a_file_and_what_nobody_sees_are_passed_over():
    given = {"env": "\u200bgh/o/e", "version": "v1\u200b", "repo": "\ufeffhttps://h/r\u200b"}
    filled = fill(given | {"path": " /nb/a.ipynb\u200b\xa0"})
    assert (
        filled.draft
        == fill({"env": "gh/o/e@v1", "repo": "https://h/r", "path": "nb/a.ipynb"}).draft
    )
