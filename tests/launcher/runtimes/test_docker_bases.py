"""What stands below an environment: the same Debian, whichever way its base is made."""

from __future__ import annotations

import pytest

from envs.errors import NotOffered
from envs.recipe import Recipe
from envs.render_r import check_version
from launcher.config import load_config
from launcher.runtimes.docker.bases import DockerBases


def bases(tmp_path, **settings):
    return DockerBases(None, load_config(**settings).base, None, tmp_path)


def test_a_python_has_one_debian_release_and_so_one_r(tmp_path):
    every = bases(tmp_path)
    assert every.root_name("3.13") == "python:3.13-slim-trixie"
    assert (every.releases("3.11"), every.releases("3.13")) == (("bookworm",), ("trixie",))
    wanted = Recipe(kind="python", python="3.13", r="4.5", used=("runtime.txt",))
    check_version(wanted, every.releases("3.13"))
    old = Recipe(kind="python", python="3.13", r="4.2", used=("runtime.txt",))
    with pytest.raises(NotOffered, match=r"have R 4\.5\."):
        check_version(old, every.releases("3.13"))


def test_an_image_of_the_settings_has_its_own(tmp_path):
    named = bases(tmp_path, base__image="python:{python}-slim-bookworm", base__source="image")
    assert named.releases("3.13") == ("bookworm",)
    assert bases(tmp_path, base__image="mine/python:{python}", base__source="image").releases(
        "3.11"
    ) == ("",)
