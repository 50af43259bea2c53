"""Rendering: the same recipe is the same text, to the letter of the files in golden/."""

from dataclasses import replace
from pathlib import Path

import pytest

from envs.recipe import Conda, Recipe
from envs.render import made_files, render_dockerfile

GOLDEN = Path(__file__).parent / "golden"
EVERYTHING = Recipe(
    kind="python",
    apt=("graphviz", "libxml2=2.9.14+dfsg-1.3"),
    requirements="binder/requirements.txt",
    post_build="binder/postBuild",
    start="binder/start",
)
CONDA = Recipe(
    kind="conda",
    conda=Conda("environment.yml", ("numpy=1.*",), ("conda-forge",)),
    requirements=".launcher-requirements.txt",
    generated="-r extra.txt\n",
    apt=("graphviz",),
    post_build="postBuild",
    start="start",
    lock="six==1.16.0\nhttps://h/noarch/x-1-0.conda#" + 64 * "0",
)
R = Recipe(kind="python", apt=("tree",), r="4.2", r_script="binder/install.R", r_package=True)
CASES = {
    "default": (Recipe(kind="python"), {}),
    "requirements": (Recipe(kind="python", requirements="requirements.txt"), {"needs_repo": False}),
    "local-requirements": (Recipe(kind="python", requirements="requirements.txt"), {}),
    "everything": (EVERYTHING, {"needs_repo": False}),
    "conda": (CONDA, {}),
    "conda-legacy": (replace(CONDA, start="", post_build=""), {"mounts": False}),
    "r": (R, {}),
    "r-package": (replace(R, r_script="", r="any", package=True), {"cran": "file:///c/{release}"}),
    "everything-legacy": (EVERYTHING, {"needs_repo": False, "mounts": False}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_dockerfile_is_the_golden_one(name):
    recipe, options = CASES[name]
    text = render_dockerfile(recipe, base="launcher/base:3.11-0123abcd", **options)
    assert text == (GOLDEN / f"{name}.Dockerfile").read_text()


def test_a_lock_is_split_for_its_two_tools():
    made = made_files(CONDA, channels=("https://h",))
    assert made[".launcher-lock.txt"] == "six==1.16.0\n"
    assert made[".launcher-conda/lock"].startswith("https://h/noarch/x-1-0.conda#")
    assert '"https://h"' in made[".launcher-conda/request.json"]


def test_an_odd_file_name_stays_one_word():
    text = render_dockerfile(Recipe(kind="python", post_build="a b/post'Build"), base="b")
    assert "'./a b/post'\"'\"'Build'" in text


def test_nothing_of_the_home_is_in_the_image():
    text = render_dockerfile(EVERYTHING, base="b")
    copies = [line for line in text.splitlines() if line.startswith("COPY")]
    assert not any("/home" in line for line in copies)


def test_variables_are_set_to_the_letter():
    recipe = Recipe(kind="python", variables=(("A", 'it\'s "$HOME" \\ x'),))
    text = render_dockerfile(recipe, base="b")
    assert 'ENV A="it\'s \\"\\$HOME\\" \\\\ x"' in text
