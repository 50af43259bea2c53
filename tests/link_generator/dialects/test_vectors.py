"""What nbgitpuller's own link page makes: to the letter where that works, mended where it fails.

The numbers are those of the list that was made by running its page.
"""

import pytest

from link_generator.dialects import Draft, Place, compose_in, parse_any
from link_generator.dialects.gitpull import GitPull, compose_pull
from link_generator.errors import BadLink

HUB = "https://hub.example.com"
REPO = "https://github.com/org/repo"
ESCAPED = "https%3A%2F%2Fgithub.com%2Forg%2Frepo"
TWICE = "https%253A%252F%252Fgithub.com%252Forg%252Frepo"
GO = f"{HUB}/hub/user-redirect/git-pull?repo={ESCAPED}"


def hub(place=None, dialect="jupyterhub", **fields):
    given = {"repo": REPO, "branch": "main", "path": "index.ipynb", "app": "notebook"} | fields
    return compose_in(dialect, Draft(**given), place or Place(HUB)).url


def binder(place=None, **fields):
    given = {"env": "gh/org/env", "tag": "main", "app": "lab"} | fields
    return hub(place or Place("https://mybinder.org"), "binder", **given)


def test_01_notebook_on_a_hub():
    assert hub() == f"{GO}&urlpath=tree%2Frepo%2Findex.ipynb&branch=main"


def test_02_no_file():
    assert hub(path="") == f"{GO}&urlpath=tree%2Frepo%2F&branch=main"


def test_03_base_path_no_branch_and_an_odd_name_but_no_git_in_the_path():
    url = hub(
        Place(f"{HUB}/jupyter/"), repo=f"{REPO}.git", branch="", path="a b/ünï.ipynb", app="lab"
    )
    assert url == (
        f"{HUB}/jupyter/hub/user-redirect/git-pull?repo={ESCAPED}"
        "&urlpath=lab%2Ftree%2Frepo%2Fa+b%2F%C3%BCn%C3%AF.ipynb"
    )


def test_04_ssh_clones_into_the_folder_that_is_opened():
    url = hub(repo="git@github.com:org/repo.git", branch="feature/x", path="lab1/", app="lab")
    assert url == (
        f"{HUB}/hub/user-redirect/git-pull?repo=git%40github.com%3Aorg%2Frepo.git"
        "&urlpath=lab%2Ftree%2Frepo%2Flab1%2F&branch=feature%2Fx&targetPath=repo"
    )


def test_05_a_named_server_and_a_path_of_ones_own():
    assert hub(Place(HUB, server="gpu"), path="app/", app="lab", urlpath="shiny") == (
        f"{HUB}/hub/user-redirect/gpu/git-pull?repo={ESCAPED}"
        "&urlpath=shiny%2Frepo%2Fapp%2F&branch=main"
    )


def test_06_rstudio_and_a_folder():
    made = compose_in(
        "jupyterhub",
        Draft(repo=REPO, branch="main", path="index.ipynb", app="rstudio", dir="Desktop/course"),
        Place(HUB),
    )
    assert made.url == f"{GO}&urlpath=rstudio%2F&branch=main&targetPath=Desktop%2Fcourse"
    assert "index.ipynb" in made.notes[0]


def test_07_a_hub_keeps_its_own_query():
    assert hub(Place(f"{HUB}?x=1"), path="", app="lab", urlpath="desktop") == (
        f"{HUB}/hub/user-redirect/git-pull?x=1&repo={ESCAPED}&urlpath=desktop&branch=main"
    )


def test_08_odd_characters():
    pull = GitPull(REPO, "tree/repo/x?y=1&z.ipynb", "a&b=c#d")
    query = f"repo={ESCAPED}&urlpath=tree%2Frepo%2Fx%3Fy%3D1%26z.ipynb&branch=a%26b%3Dc%23d"
    assert compose_pull(pull) == query
    url = f"{HUB}/hub/user-redirect/git-pull?{query}"
    assert hub(branch="a&b=c#d", path="x?y=1&z.ipynb") == url
    assert parse_any(url)[0].path == "x?y=1&z.ipynb"


def test_09_canvas():
    assert hub(dialect="canvas") == (
        f"{HUB}/hub/lti/launch?next=%2Fhub%2Fuser-redirect%2Fgit-pull%3Frepo%3D{TWICE}"
        "%26urlpath%3Dtree%252Frepo%252Findex.ipynb%26branch%3Dmain"
    )


def test_10_13_20_canvas_keeps_the_base_path_the_server_and_the_folder():
    place = Place(f"{HUB}/base", server="gpu")
    assert hub(place, "canvas", app="lab", dir="t") == (
        f"{HUB}/base/hub/lti/launch?next=%2Fbase%2Fhub%2Fuser-redirect%2Fgpu%2Fgit-pull"
        f"%3Frepo%3D{TWICE}%26urlpath%3Dlab%252Ftree%252Ft%252Findex.ipynb"
        "%26branch%3Dmain%26targetPath%3Dt"
    )


def test_11_binder():
    assert binder(branch="dev") == (
        f"https://mybinder.org/v2/gh/org/env/main?urlpath=git-pull%3Frepo%3D{TWICE}"
        "%26urlpath%3Dlab%252Ftree%252Frepo%252Findex.ipynb%26branch%3Ddev"
    )


def test_12_13_15_binder_without_git_and_in_the_folder():
    url = binder(
        dir="t",
        env="https://github.com/org/env.git",
        tag="v1.0",
        repo=f"{REPO}.git",
        path="a/b.ipynb",
        app="notebook",
    )
    assert url == (
        f"https://mybinder.org/v2/gh/org/env/v1.0?urlpath=git-pull%3Frepo%3D{TWICE}"
        "%26urlpath%3Dtree%252Ft%252Fa%252Fb.ipynb%26branch%3Dmain%26targetPath%3Dt"
    )


def test_13_the_folder_is_the_one_that_is_opened():
    url = hub(app="lab", dir="hw")
    assert url == f"{GO}&urlpath=lab%2Ftree%2Fhw%2Findex.ipynb&branch=main&targetPath=hw"


def test_14_a_slash_at_the_end():
    url = hub(repo=f"{REPO}/", app="lab")
    assert url == f"{GO}&urlpath=lab%2Ftree%2Frepo%2Findex.ipynb&branch=main"


def test_15_where_git_must_stay_the_clone_is_named():
    url = hub(repo="https://git.example.org/srv/repo.git/", app="lab")
    assert url == (
        f"{HUB}/hub/user-redirect/git-pull?repo=https%3A%2F%2Fgit.example.org%2Fsrv%2Frepo.git"
        "&urlpath=lab%2Ftree%2Frepo%2Findex.ipynb&branch=main&targetPath=repo"
    )


def test_16_a_path_of_ones_own_on_binder():
    assert binder(path="", urlpath="desktop") == (
        f"https://mybinder.org/v2/gh/org/env/main?urlpath=git-pull%3Frepo%3D{TWICE}"
        "%26urlpath%3Ddesktop%26branch%3Dmain"
    )


def test_17_ssh_and_no_content_on_binder():
    url = binder(env="git@github.com:org/env.git", repo="git@github.com:org/repo.git")
    assert url == (
        "https://mybinder.org/v2/git/git%40github.com%3Aorg%2Fenv.git/main?urlpath=git-pull"
        "%3Frepo%3Dgit%2540github.com%253Aorg%252Frepo.git"
        "%26urlpath%3Dlab%252Ftree%252Frepo%252Findex.ipynb%26branch%3Dmain%26targetPath%3Drepo"
    )
    alone = compose_in("binder", Draft(env="gh/org/env", tag="main"), Place())
    assert alone.url == "https://mybinder.org/v2/gh/org/env/main?urlpath=lab"
    assert alone.notes


@pytest.mark.parametrize(
    ("env", "spec"),
    [
        ("https://gitlab.com/group/sub/env.git", "gl/group%2Fsub%2Fenv"),
        ("gl/group/env", "gl/group%2Fenv"),
        ("https://codeberg.org/o/env.git", "git/https%3A%2F%2Fcodeberg.org%2Fo%2Fenv"),
        ("https://gist.github.com/jo/0123456789abcdef", "gist/jo/0123456789abcdef"),
    ],
)
def test_18_an_environment_of_any_host(env, spec):
    assert binder(env=env).startswith(f"https://mybinder.org/v2/{spec}/main?urlpath=git-pull%3F")


@pytest.mark.parametrize("host", ["https://b.example.org/hub/", "b.example.org/hub"])
def test_19_a_binderhub_keeps_its_path(host):
    assert binder(Place(host)).startswith("https://b.example.org/hub/v2/gh/org/env/main?urlpath=")


def test_a_branch_of_the_environment_is_none_of_the_content():
    url = binder(tag="v1", branch="")
    assert "branch" not in url
    assert parse_any(url)[0].branch == ""


@pytest.mark.parametrize(
    ("dialect", "fields", "place", "field"),
    [
        ("binder", {"env": "intro-ds"}, {}, "env"),
        ("binder", {"env": "docker:quay.io/o/i:1", "tag": ""}, {}, "env"),
        ("binder", {"env": "", "tag": ""}, {}, "env"),
        ("binder", {"only": "wk1", "path": ""}, {}, "only"),
        ("jupyterhub", {"only": "wk1", "path": ""}, {"host": HUB}, "only"),
        ("canvas", {"only": "wk1", "path": ""}, {"host": HUB}, "only"),
        ("jupyterbook", {"only": "wk1", "path": ""}, {"host": HUB}, "only"),
        ("jupyterhub", {"repo": "", "branch": "", "path": ""}, {"host": HUB}, "repo"),
        ("canvas", {"repo": "", "branch": "", "path": ""}, {"host": HUB}, "repo"),
        ("jupyterbook", {"repo": "", "branch": "", "path": ""}, {"host": HUB}, "repo"),
        ("jupyterbook", {"app": "rstudio"}, {"host": HUB}, "app"),
        ("jupyterbook", {"env": "", "tag": ""}, {"host": HUB}, "env"),
        ("launcher", {"env": "", "tag": ""}, {"host": HUB}, "env"),
        ("jupyterhub", {}, {}, "host"),
        ("canvas", {}, {}, "host"),
        ("jupyterhub", {}, {"host": "javascript://x/%0aalert(1)"}, "host"),
        ("jupyterhub", {}, {"host": "https://me:token@hub.example.com"}, "host"),
        ("jupyterhub", {}, {"host": "https://hub example"}, "host"),
        ("jupyterhub", {}, {"host": "https://hub:port"}, "host"),
        ("jupyterhub", {"dir": "../.."}, {"host": HUB}, "dir"),
        ("jupyterbook", {"dir": "hw"}, {"host": HUB}, "dir"),
        ("jupyterbook", {"urlpath": "desktop", "path": ""}, {"host": HUB}, "urlpath"),
        ("jupyterhub", {}, {"host": HUB, "server": "a/b"}, "server"),
        ("moodle", {}, {}, "dialect"),
    ],
)
def test_what_a_dialect_cannot_say_is_named(dialect, fields, place, field):
    given = {"env": "gh/org/env", "tag": "v1", "repo": REPO, "path": "index.ipynb"} | fields
    with pytest.raises(BadLink) as caught:
        compose_in(dialect, Draft(**given), Place(**place))
    assert caught.value.field == field
    assert caught.value.message
