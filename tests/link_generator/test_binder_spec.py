"""Binder's specs: each provider's form, what survives an escape, the way out of a wrong one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from link_generator.binder_spec import compose_spec, parse_spec
from link_generator.errors import BadLink

GIST = "https://gist.github.com/jo/0123456789abcdef"


@pytest.mark.parametrize(
    ("spec", "address", "ref"),
    [
        ("gh/org/repo/main", "https://github.com/org/repo", "main"),
        ("gh/org/repo/HEAD", "https://github.com/org/repo", ""),
        ("gh/org/repo/feature/x", "https://github.com/org/repo", "feature/x"),
        ("gh/org/repo/a%23b%2525", "https://github.com/org/repo", "a#b%25"),
        ("gl/group%2Fsub%2Frepo/v1", "https://gitlab.com/group/sub/repo", "v1"),
        ("git/https%3A%2F%2Fh.org%3A8443%2Fa%2Fb.git/v1", "https://h.org:8443/a/b.git", "v1"),
        ("git/git%40github.com%3Aorg%2Frepo.git/dev/2", "git@github.com:org/repo.git", "dev/2"),
        ("git/ssh%3A%2F%2Fgit%40h.org%2Fa/HEAD", "ssh://git@h.org/a", ""),
        ("gist/jo/0123456789abcdef", GIST + ".git", ""),
        ("gist/jo/0123456789abcdef/abc123", GIST + ".git", "abc123"),
    ],
)
def test_a_spec_is_read_and_written_to_the_letter(spec, address, ref):
    provider, _, rest = spec.partition("/")
    assert parse_spec(provider, rest) == (address, ref)
    assert compose_spec(address, ref) == spec


@pytest.mark.parametrize(
    ("spec", "address", "ref"),
    [
        ("gh/org/repo.git/main/", "https://github.com/org/repo", "main"),
        ("gh/org%2Frepo%2Fmain", "https://github.com/org/repo", "main"),
        ("gl/group/repo/feature/x", "https://gitlab.com/group/repo", "feature/x"),
        ("gl/group%252Fsub%252Frepo/v1", "https://gitlab.com/group/sub/repo", "v1"),
        ("gl/group%2Frepo.git/v1", "https://gitlab.com/group/repo", "v1"),
        ("git/https%253A%252F%252Fh.org%252Fa/v1", "https://h.org/a", "v1"),
        ("gist/jo/0123456789abcdef/master", GIST + ".git", ""),
    ],
)
def test_other_spellings_are_understood(spec, address, ref):
    provider, _, rest = spec.partition("/")
    assert parse_spec(provider, rest) == (address, ref)


@pytest.mark.parametrize(
    ("address", "ref", "spec"),
    [
        ("https://github.com/org/repo.git", "v1", "gh/org/repo/v1"),
        ("https://github.com/org/repo/", "", "gh/org/repo/HEAD"),
        ("https://GitHub.com/org/repo", "v1", "gh/org/repo/v1"),
        ("https://gitlab.com/g/s/r.git/", "v1", "gl/g%2Fs%2Fr/v1"),
        (GIST, "", "gist/jo/0123456789abcdef"),
        ("https://codeberg.org/o/r", "v1", "git/https%3A%2F%2Fcodeberg.org%2Fo%2Fr/v1"),
        ("https://github.com/org", "v1", "git/https%3A%2F%2Fgithub.com%2Forg/v1"),
        ("http://github.com/o/r", "v1", "git/http%3A%2F%2Fgithub.com%2Fo%2Fr/v1"),
    ],
)
def test_an_address_gets_the_shortest_spec_that_binder_knows(address, ref, spec):
    assert compose_spec(address, ref) == spec


@pytest.mark.parametrize(
    ("provider", "spec", "says"),
    [
        ("gh", "org/repo", '"gh/org/repo/HEAD"'),
        ("gh", "org/repo/", '"gh/org/repo/HEAD"'),
        ("gh", "org", '"gh/org/<repository>/HEAD"'),
        ("gh", "", "gh/<owner>"),
        ("gl", "group%2Frepo", '"gl/group%2Frepo/HEAD"'),
        ("git", "https%3A%2F%2Fh.org%2Fa", '"git/https%3A%2F%2Fh.org%2Fa/HEAD"'),
        ("git", "https://h.org/a", '"git/https%3A%2F%2Fh.org%2Fa/HEAD"'),
        ("gist", "0123456789abcdef", "gist/<user>/<id>"),
        ("gist", "jo/..", "gist/<user>/<id>"),
        ("svn", "x", "gh, gl, git, gist"),
        ("zenodo", "10.5281/zenodo.3242074", "git repository"),
        ("figshare", "10.6084/m9.figshare.9782777.v3", "git repository"),
        ("dataverse", "10.7910/DVN/TJCLKP", "git repository"),
        ("hydroshare", "b8f6eae9d89241cf8b5904033460af61", "git repository"),
        ("ckan", "https%3A%2F%2Fdemo.ckan.org%2Fdataset%2Fx", "git repository"),
        ("git", "file%3A%2F%2F%2Fetc/HEAD", "https://"),
        ("git", "https%3A%2F%2Fme%3Atoken%40h.org%2Fa/HEAD", "everybody"),
        ("git", "https%3A%2F%2Fh.org%2Fa/--upload-pack=x", "git host"),
        ("gh", "org/repo/a..b", "git host"),
        ("gh", "org/repo/a%00b", "hand"),
        ("gh", "-x/../HEAD", "clone button"),
    ],
)
def test_a_wrong_spec_says_the_way_out(provider, spec, says):
    with pytest.raises(BadLink) as caught:
        parse_spec(provider, spec)
    assert caught.value.field == "env"
    assert says in caught.value.hint


NAMES = st.text("abcXYZ019_-.", min_size=1, max_size=8).filter(
    lambda name: name[0] not in "-." and not name.endswith((".git", "."))
)
ADDRESSES = st.one_of(
    st.builds("https://github.com/{}/{}".format, NAMES, NAMES),
    st.builds("https://gitlab.com/{}/{}/{}".format, NAMES, NAMES, NAMES),
    st.builds("https://h.org:8443/{}/ünï%20{}.git".format, NAMES, NAMES),
    st.builds("git@h.org:{}/{}.git".format, NAMES, NAMES),
    st.just(GIST + ".git"),
)
REFS = st.text(st.sampled_from("ab/#%&+@ü=1-"), max_size=12)


@given(ADDRESSES, REFS)
def test_reading_a_written_spec_gives_it_back(address, ref):
    try:
        provider, _, rest = compose_spec(address, ref).partition("/")
    except BadLink as bad:
        assert "cannot be a tag" in bad.message
    else:
        assert parse_spec(provider, rest) == (address, ref)


@given(st.sampled_from(["gh", "gl", "git", "gist"]), st.text(max_size=60))
def test_any_text_is_a_repository_or_a_named_error(provider, text):
    try:
        assert parse_spec(provider, text)
    except BadLink as bad:
        assert bad.field == "env"
