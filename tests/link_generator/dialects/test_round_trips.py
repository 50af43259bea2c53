"""Whatever a dialect can say is read back as it was; what it cannot is an error or a note."""

from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from link_generator.addresses import plain_address
from link_generator.apps import APPS
from link_generator.content import Content, content_folder
from link_generator.dialects import DIALECTS, Draft, Place, compose_in, parse_any
from link_generator.errors import BadLink

ODD = st.text(
    st.one_of(
        st.sampled_from(" #?&%+@=/.;:'\")>,~*ünï日🎓"),
        st.characters(exclude_categories=["Cs", "Cc"]),
    ),
    max_size=20,
)
ENVS = st.sampled_from(
    [
        "gh/org/repo",
        "gl/group/sub/sub2/repo",
        "intro-ds",
        "docker:quay.io/org/image:2025.1",
        "https://git.example.org:8443/a/b%40c.git",
        "https://codeberg.org/o/r",
        "https://gist.github.com/jo/0123456789abcdef.git",
        "git@github.com:org/repo.git",
        "ssh://git@host/a/b.git",
        "http://127.0.0.1:5000/env",
    ]
)
REPOS = st.sampled_from(
    [
        "https://github.com/org/repo",
        "https://gitlab.com/g/s/r",
        "git@host:a-b",
        "git@github.com:org/repo.git",
        "https://h/ünï",
        "https://h.org/a/repo.git",
        "https://gist.github.com/jo/0123456789abcdef.git",
    ]
)


def maybe(**fields):
    try:
        return Draft(**fields)
    except BadLink:
        return None


DRAFTS = st.builds(
    maybe,
    env=ENVS,
    tag=ODD | st.sampled_from(["", "v1.0", "pkg@1.0", "feature/x&y=z", "a+b%20c"]),
    repo=REPOS,
    branch=ODD | st.sampled_from(["", "main", "feature/new-lab", "a&b=c#d", "50%25+1"]),
    path=ODD
    | st.sampled_from(["", "a b/ünï.ipynb", "wk1/", "repo/x.ipynb", "a%2Fb", "lab.ipynb."]),
    app=st.sampled_from(sorted(APPS)) | st.just("lab"),
    dir=st.sampled_from(["", "", "hw", "Desktop/course #1", "100%25", "kurs/übung+1", "a b"]) | ODD,
    urlpath=st.sampled_from(
        [
            "",
            "",
            "",
            "proxy/8501/",
            "desktop",
            "voila/render",
            "lab/workspaces/a-1",
            "nbclassic/tree",
            "lab/workspaces/a/tree",
            "apps",
            "apps/x",
            "proxy/1/?a=b%20c&d=ü#",
            "x%2Fy/a b",
            "shiny/",
        ]
    )
    | ODD,
).filter(lambda draft: draft is not None and "HEAD" not in (draft.tag, draft.branch))
PLACES = st.builds(
    Place,
    host=st.sampled_from(["https://hub.example.org", "http://127.0.0.1:8000/a/b", "h.org?x=1"]),
    server=st.sampled_from(["", "gpu"]),
)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(draft=DRAFTS, place=PLACES)
@example(
    draft=Draft(
        "gh/org/repo", repo="https://github.com/org/repo", path="a", dir="?", urlpath="voila/render"
    ),
    place=Place("https://hub.example.org"),
)
def test_reading_a_written_link_gives_it_back(dialect, draft, place):
    try:
        made = compose_in(dialect, draft, place)
    except BadLink as bad:
        assert bad.field in ("env", "app", "branch", "dir", "urlpath")
        return
    assert made.url.isascii()
    assert urlsplit(made.url).netloc == place.base().netloc
    lost = [note for note in made.notes if "chooses the environment" not in note]
    found = parse_any(made.url)[0]
    if dialect in ("jupyterhub", "canvas"):
        draft = replace(draft, env="", tag="")
    if dialect != "launcher" and draft.dir == content_folder(plain_address(draft.repo)):
        draft = replace(draft, dir="")  # what it is called anyway
    if lost:  # which the note says
        draft = replace(draft, path=found.path, urlpath=found.urlpath)
    assert found == draft


@pytest.mark.parametrize("dialect", ["launcher", "binder", "jupyterbook"])
@given(draft=DRAFTS)
def test_one_repository_that_is_both_is_read_back(dialect, draft):
    one = {"gh/org/repo": "https://github.com/org/repo", "gl/g/s/r": "https://gitlab.com/g/s/r"}
    for env, repo in one.items():
        both = maybe(env=env, tag=draft.branch, repo=repo, branch=draft.branch, path=draft.path)
        if both and "?" not in both.path:
            made = compose_in(dialect, both, Place("https://h.org"))
            assert parse_any(made.url)[0] == both
            assert ("/v2/g" in made.url) == (dialect != "launcher")
            assert "git-pull%3F" not in made.url


@given(DRAFTS)
def test_only_and_more_are_links_of_this_launcher_alone(draft):
    place = Place("https://h.org")
    more = replace(draft, more=(Content("https://h.org/data"),))
    for dialect in DIALECTS:
        if dialect == "launcher":
            assert parse_any(compose_in(dialect, more, place).url)[0] == more
        else:
            with pytest.raises(BadLink) as caught:
                compose_in(dialect, more, place)
            assert caught.value.field == "repo2"


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused_by_a_field(text):
    try:
        parse_any(text)
    except BadLink as bad:
        assert bad.field
        assert bad.message


@given(
    st.sampled_from(
        ["https://h/v2/gh/", "https://h/v2/git/", "https://h/git-pull?repo=https://h/r&urlpath=",
         "https://h/v2/gh/a/b/c?urlpath=", "https://h/hub/lti/launch?next=", "https://h/launch?",
         "https://h/with/", "https://github.com/o/r/"]
    ),
    st.text(max_size=100),
)  # fmt: skip
def test_any_end_of_a_link_is_read_or_refused_by_a_field(start, text):
    try:
        parse_any(start + text)
    except BadLink as bad:
        assert bad.field
