"""A page that a link opens is inside the session, whatever is done to the address on the way."""

import re
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_generator.errors import BadLink
from link_generator.link import Link, compose_link, parse_link

BASE = "https://notebooks.example.org/s/ab12/"
HOSTILE = [
    "https://evil.example",
    "HTTPS:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "//evil.example/x",
    "/\\evil.example",
    "\\\\evil.example",
    "/proxy/8501/",
    "proxy//evil.example",
    "proxy/../../ab13/lab",
    "..",
    "a/..",
    "a/./b",
    "proxy\\..\\..",
    "a\tb",
    "a\nb",
    "a\x00b",
    "proxy/8501/#/../x",
    "login?next=https://evil.example",
    "login?next=/s/other/",
    "logout",
    "api/shutdown",
    "hub/logout",
    "git-pull?repo=https://github.com/evil/x",
    "proxy/8501/?token=abc",
    "proxy/8501/?a=1&TOKEN=abc",
    "proxy/8501/?next=/logout",
    "proxy/8501/?go=//evil.example",
    "proxy/8501/?go=https:evil.example",
    "proxy/8501/?go=\\evil",
    "proxy/8501/?a=..",
    "?token=x",
]


def escaped(text, times):
    for _ in range(times):
        text = quote(text, safe="")
    return text


@pytest.mark.parametrize("times", [0, 1, 2, 6])
@pytest.mark.parametrize("page", HOSTILE)
def test_what_could_lead_away_is_refused_however_it_is_escaped(page, times):
    with pytest.raises(BadLink) as caught:
        Link("env", urlpath=escaped(page, times))
    assert caught.value.field == "urlpath"


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ("proxy/8501/", "proxy/8501/"),
        ("desktop", "desktop"),
        ("voila/render/über%20uns", None),
        ("proxy/8501/?embed=true&q=a b", "proxy/8501/?embed=true&q=a%20b"),
        ("apps/übersicht", "apps/%C3%BCbersicht"),
        ("x%2Fy", "x%2Fy"),
    ],
)
def test_other_programs_of_an_image_are_opened(page, target):
    if target is None:
        with pytest.raises(BadLink, match="a file's"):
            Link("env", urlpath=page)
    else:
        assert Link("env", urlpath=page).target("") == target


def test_a_file_follows_a_program_that_opens_files_in_the_folder_that_it_is_in():
    link = Link(
        "env", repo="https://h.org/r", path="a b.ipynb", urlpath="voila/render", dir="kurs/ü"
    )
    assert link.target("kurs/ü") == "voila/render/kurs/%C3%BC/a%20b.ipynb"
    assert parse_link(compose_link(link, "https://h"))[0] == link


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("env=e&urlpath=lab/tree/x", "urlpath"),
        ("env=e&urlpath=rstudio", "urlpath"),
        ("env=e&urlpath=desktop&app=notebook", "urlpath"),
        ("env=e&repo=https://h.org/r&urlpath=desktop&path=a.ipynb", "path"),
        ("env=e&urlpath=proxy/8501/%FF", "link"),
        ("env=e&urlpath=proxy/8501/%25FF", "urlpath"),
        ("env=e&dir=a", "repo"),
        ("env=e&repo=https://h.org/r&dir=/etc", "dir"),
        ("env=e&repo=https://h.org/r&dir=../x", "dir"),
        ("env=e&repo=https://h.org/r&dir=a/../b", "dir"),
        ("env=e&repo=https://h.org/r&dir=a//b", "dir"),
        ("env=e&repo=https://h.org/r&dir=.git", "dir"),
        ("env=e&repo=https://h.org/r&dir=a/.GIT/hooks", "dir"),
        ("env=e&repo=https://h.org/r&dir=.jupyter", "dir"),
        ("env=e&repo=https://h.org/r&dir=-rf", "dir"),
        ("env=e&repo=https://h.org/r&dir=a%5C..%5Cb", "dir"),
        ("env=e&repo=https://h.org/r&dir=a%0Ab", "dir"),
        ("env=e&repo=https://h.org/r&dir=a%E2%80%AEb", "dir"),
        ("env=e&repo=https://h.org/r&dir=%C3%BC/a /b", "dir"),
        (f"env=e&repo=https://h.org/r&dir={'x' * 101}", "dir"),
        ("env=e&repo=https://h.org/r&dir=a/b/c/d/e/f", "dir"),
        ("env=e&repo=https://h.org/r&dir=k&repo2=https://h.org/s&dir2=k", "dir2"),
        ("env=e&repo=https://h.org/r&dir=k/r&repo2=https://h.org/k", "dir"),
        ("env=e&repo=https://h.org/r&repo2=https://h.org/k&dir2=r/x", "dir2"),
    ],
)
def test_a_page_or_folder_that_cannot_work_is_named(query, field):
    with pytest.raises(BadLink) as caught:
        parse_link(f"?{query}")
    assert caught.value.field == field


def test_a_folder_of_the_student_s_own_is_fine():
    link, _ = parse_link("?env=e&repo=https://h.org/r&dir=Kurs 1/übung/")
    assert link.dir == "Kurs 1/übung"


ODD = st.lists(
    st.one_of(
        st.sampled_from("/\\.:?#&=%;@ \t25eEfFcC"),
        st.sampled_from(["%2e", "%2F", "%5c", "%25", "http", "token", "next"]),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
).map("".join)


@given(ODD)
def test_whatever_is_accepted_stays_below_the_session_s_address(page):
    try:
        target = Link("env", urlpath=page).target("")
    except BadLink:
        return
    assert target.isascii()
    for _ in range(3):
        # As browsers read it: tabs and line ends go, a backslash is a slash.
        seen = re.sub(r"[\t\r\n]", "", target.strip()).replace("\\", "/")
        found = urlsplit(urljoin(BASE, seen))
        assert (found.scheme, found.netloc) == ("https", "notebooks.example.org")
        assert found.path.startswith("/s/ab12/")
        target = unquote(target)
