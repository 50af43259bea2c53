"""How an environment is written in a link, and what that stands for."""

import pytest

from link_generator.env_part import env_address, env_image
from link_generator.errors import BadLink
from link_generator.link import Link, compose_link, parse_link


@pytest.mark.parametrize(
    ("text", "env", "tag"),
    [
        ("gh/o/r@v1", "gh/o/r", "v1"),
        ("gh/o/r", "gh/o/r", ""),
        ("intro-ds@2025.1", "intro-ds", "2025.1"),
        ("https://h/o/r@pkg@1.0", "https://h/o/r", "pkg@1.0"),
        ("git@h:o/r@v1", "git@h:o/r", "v1"),
        ("git@h:o/r", "git@h:o/r", ""),
        ("ssh://git@h:22/o/r@feature/x", "ssh://git@h:22/o/r", "feature/x"),
        ("git/https://h/o/r@v1", "git/https://h/o/r", "v1"),
    ],
)
def test_the_tag_begins_after_the_address(text, env, tag):
    link, _ = parse_link(f"/launch?env={text}")
    assert (link.env, link.tag) == (env, tag)


@pytest.mark.parametrize(
    ("env", "address"),
    [
        ("gh/org/repo", "https://github.com/org/repo"),
        ("gl/g/s/r", "https://gitlab.com/g/s/r"),
        ("git/https://h/r", "https://h/r"),
        ("https://h/r", "https://h/r"),
        ("git@h:o/r", "git@h:o/r"),
        ("intro-ds", ""),
    ],
)
def test_what_an_environment_stands_for(env, address):
    assert env_address(env) == address


@pytest.mark.parametrize(
    ("env", "name", "tag"),
    [
        ("docker:quay.io/pangeo/pangeo-notebook:2021.09.30",
         "docker:quay.io/pangeo/pangeo-notebook", "2021.09.30"),
        ("docker:jupyter/scipy-notebook", "docker:jupyter/scipy-notebook", "latest"),
        ("docker:localhost:5000/a_b/c--d:x_1", "docker:localhost:5000/a_b/c--d", "x_1"),
    ],
)  # fmt: skip
def test_an_image_that_exists_can_be_an_environment(env, name, tag):
    link = Link(env=env, repo="https://h.org/a/b")
    assert parse_link(compose_link(link, "https://l.org"))[0] == link
    assert env_image(link.env) == (name, tag)


def test_an_image_is_pinned_by_its_digest():
    url = f"/launch?env=docker:quay.io/o/i:1@sha256:{'a' * 64}"
    link, _ = parse_link(url)
    assert link.tag == f"sha256:{'a' * 64}"
    assert compose_link(link, "") == url


@pytest.mark.parametrize(
    "env",
    ["docker:", "docker:UPPER/x", "docker:-x", "docker:a/../b", "docker:a b", "docker:x:-t",
     "docker:x;id", "docker://x", "docker:x@sha256:12", "docker:x/", "docker:http://h/x"],
)  # fmt: skip
def test_what_names_no_image_is_refused(env):
    with pytest.raises(BadLink) as caught:
        parse_link(f"/launch?env={env}")
    assert caught.value.field == "env"
