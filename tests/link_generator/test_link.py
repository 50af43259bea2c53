"""Links: reading and writing are inverses, and a link that cannot work is refused by its part."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_generator.apps import APPS
from link_generator.content import Content
from link_generator.errors import BadLink
from link_generator.link import Link, compose_link, parse_link

ODD = st.text(
    st.one_of(
        st.sampled_from(" #?&%+@=/.;:'\"ünï日🎓"), st.characters(exclude_categories=["Cs", "Cc"])
    ),
    max_size=30,
)
ENVS = st.sampled_from(
    [
        "gh/org/repo",
        "gl/group/sub/sub2/repo",
        "intro-ds",
        "https://git.example.org:8443/a/b%40c.git",
        "git/https://git.example.org/a",
        "git@github.com:org/repo.git",
        "git/git@host:a/b",
        "ssh://git@host/a/b.git",
        "http://127.0.0.1:5000/env",
    ]
)
REPOS = st.sampled_from(
    ["https://github.com/org/repo", "git@host:a b".replace(" ", "-"), "https://h/ünï"]
)


def maybe(kind, **fields):
    try:
        return kind(**fields)
    except BadLink:
        return None


MORE = st.lists(
    st.builds(
        Content,
        repo=REPOS,
        branch=ODD | st.sampled_from(["", "main"]),
        only=ODD | st.sampled_from(["", "a b/ü"]),
    ),
    max_size=3,
).map(tuple)

LINKS = st.builds(
    lambda **fields: maybe(Link, **fields),
    env=ENVS,
    tag=ODD | st.sampled_from(["", "v1.0", "2025.1", "pkg@1.0", "feature/x&y=z", "a+b%20c"]),
    repo=REPOS,
    branch=ODD | st.sampled_from(["", "main", "feature/new-lab", "a&b=c#d", "50%25+1"]),
    path=ODD | st.sampled_from(["", "a b/ünï.ipynb", "x?y=1&z#w.ipynb", "wk1/"]),
    only=ODD | st.sampled_from(["", "a b", "wk1"]),
    app=st.sampled_from(sorted(APPS)),
    more=MORE,
).filter(lambda link: link is not None)


@given(LINKS)
def test_reading_a_written_link_gives_it_back(link):
    url = compose_link(link, "https://nb.example.org")
    assert parse_link(url) == (link, ())
    assert url.isascii()


@given(LINKS, st.randoms())
def test_the_order_of_the_parts_does_not_matter(link, random):
    head, _, query = compose_link(link, "https://nb.example.org").partition("?")
    parts = query.split("&")
    random.shuffle(parts)
    assert parse_link(f"{head}?{'&'.join(parts)}")[0] == link


@given(LINKS)
def test_one_level_of_percent_encoding_is_all(link):
    query = urlsplit(compose_link(link, "http://h")).query
    values = dict(parse_qsl(query))
    assert values.get("path", "") == link.path
    assert values.get("branch", "") == link.branch


@given(st.text(max_size=200))
def test_any_text_is_a_link_or_a_named_error(text):
    try:
        parse_link(text)
    except BadLink as error:
        assert error.field
        assert error.message


def test_unknown_keys_are_noted_and_campaign_keys_are_not():
    link, notes = parse_link("/launch?env=gh/o/r@v1&colour=red&utm_source=mail")
    assert link == Link(env="gh/o/r", tag="v1")
    assert len(notes) == 1
    assert "colour" in notes[0]


def test_a_link_that_went_through_html_still_works():
    url = "https://h/launch?env=gh/o/r@v1&amp;repo=https://github.com/o/c&amp;branch=dev"
    assert parse_link(url)[0].branch == "dev"


def test_plus_and_percent_20_are_blanks():
    assert parse_link("env=a&repo=https://h/r&path=a+b%20c.ipynb")[0].path == "a b c.ipynb"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "env"),
        ("repo=https://h/r", "env"),
        ("env=", "env"),
        ("env=../../etc", "env"),
        ("env=file:///etc/passwd", "env"),
        ("env=https://user:token@h/r", "env"),
        ("env=https://h", "env"),
        ("env=https://h/org/x/../r", "env"),
        ("env=https://h/org/x/%252e%252e/r", "env"),
        ("env=https://h/org/./r", "env"),
        ("env=https://h/org%252Fr", "env"),
        ("env=ext::sh -c id", "env"),
        ("env=--upload-pack=x", "env"),
        ("env=gh/o/r@-x", "env"),
        ("env=gh/o/r@a..b", "env"),
        ("env=gh/o/r&env=gh/o/s", "env"),
        ("env=a&repo=file:///etc", "repo"),
        ("env=a&repo=/etc/passwd", "repo"),
        ("env=a&repo=https://tok@h/r", "repo"),
        ("env=a&repo=ssh://-oProxyCommand=x/r", "repo"),
        ("env=a&repo=https://h/r?x=1", "repo"),
        ("env=a&repo=git@h:-x", "repo"),
        ("env=a&repo=https://[::1/r", "repo"),
        ("env=a&repo=https://h:port/r", "repo"),
        ("env=a&repo=https://h/r&branch=-b", "branch"),
        ("env=a&repo=https://h/r&branch=a%00b", "branch"),
        ("env=a&repo=https://h/r&branch=a%0Ab", "branch"),
        ("env=a&repo=https://h/r&branch=@{-1}".replace("{", "%7B"), "branch"),
        ("env=a&branch=main", "repo"),
        ("env=a&path=x.ipynb", "repo"),
        ("env=a&repo=https://h/r&path=../x", "path"),
        ("env=a&repo=https://h/r&path=/etc", "path"),
        ("env=a&repo=https://h/r&path=a%5C..%5Cb", "path"),
        ("env=a&repo=https://h/r&path=a//b", "path"),
        ("env=a&app=excel", "app"),
        ("env=%FF", "link"),
        ("env=" + "a" * 3000, "env"),
    ],
)
def test_a_link_that_cannot_work_names_the_part(query, field):
    with pytest.raises(BadLink) as caught:
        parse_link(f"/launch?{query}")
    assert caught.value.field == field
    assert caught.value.message


def test_several_repositories_are_numbered_in_any_order():
    link, notes = parse_link(
        "/launch?only3=wk1&repo3=https://h/c&env=gh/o/e@v1&repo2=git@h:data&branch2=v1&repo=https://h/a"
    )
    assert notes == ()
    assert link.contents == (
        Content("https://h/a"),
        Content("git@h:data", "v1"),
        Content("https://h/c", "", "wk1"),
    )
    gap, _ = parse_link("?env=gh/o/e&repo=https://h/a&repo7=https://h/c&repo4=")
    assert gap.more == (Content("https://h/c"),)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("repo=https://h/a&branch2=main", "repo2"),
        ("repo2=https://h/a", "repo"),
        ("repo=https://h/a&repo2=file:///etc", "repo2"),
        ("repo=https://h/a&repo2=https://h/b&only2=../x", "only2"),
        ("repo=https://h/a&repo2=https://h/b&branch2=-x", "branch2"),
        ("repo=https://h/a&only=/etc", "only"),
        ("repo=https://h/a&only=wk1&path=wk2/a.ipynb", "path"),
        ("repo=https://h/a&only=wk1&path=wk10/a.ipynb", "path"),
        ("only=wk1", "repo"),
    ],
)
def test_a_wrong_part_of_several_is_named(query, field):
    with pytest.raises(BadLink) as caught:
        parse_link(f"?env=gh/o/e&{query}")
    assert caught.value.field == field
