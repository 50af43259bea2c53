"""Addresses that lead to one repository are one place."""

import pytest

from envs.credentials import same_place


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://github.com/org/exam", "http://GitHub.com.:8080//Org/ex%61m.git/"),
        ("git@github.com:org/exam.git", "https://github.com/org/exam"),
        ("docker:ubuntu", "docker:index.docker.io/library/ubuntu"),
        ("docker:quay.io/org/x", "docker:quay.io:443/org/x"),
        ("/srv/git/x", "/srv/git/x"),
    ],
)
def test_spellings_of_one_repository_are_one_place(one, other):
    assert same_place(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://github.com/org/exam", "https://gitlab.com/org/exam"),
        ("https://github.com/org/exam", "https://github.com/org/exam2"),
        ("https://github.com/org/exam", "https://github.com.evil.example/org/exam"),
        ("docker:quay.io/org/x", "https://quay.io/org/x"),
        ("docker:org/x", "docker:quay.io/org/x"),
        ("docker:localhost/x", "docker:library/x"),
        ("/srv/git/x", "/srv/git/y"),
    ],
)
def test_other_repositories_are_not(one, other):
    assert not same_place(one, other)
