"""R: which files choose it, what it combines with, and that every ignored file is named."""

import pytest

from envs.errors import BadEnvironment, NotOffered
from envs.readers import read_recipe
from envs.recipe import Recipe
from envs.render_r import check_version, cran_url

PACKAGE = "Package: mine\nVersion: 1.0\n"


def recipe(tmp_path, files):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_recipe(tmp_path)


@pytest.mark.parametrize(
    ("text", "version", "day"),
    [
        ("r-2025-06-01\n", "any", "2025-06-01"),
        ("r-4.2-2024-03-01", "4.2", "2024-03-01"),
        ("r-4.2.2-2024-03-01", "4.2", "2024-03-01"),
        ("r-4.2", "4.2", ""),
    ],
)
def test_runtime_txt_chooses_r(tmp_path, text, version, day):
    found = recipe(tmp_path, {"runtime.txt": text})
    assert (found.r, found.r_date, found.used) == (version, day, ("runtime.txt",))


@pytest.mark.parametrize(
    "text", ["r-", "r-4", "r-2025", "r-2025-13-01", "r-4.2-2018-12-06", "r-4.2; id", "r-\u0664.2"]
)
def test_a_wrong_version_of_r_is_a_sentence(tmp_path, text):
    with pytest.raises(BadEnvironment, match=r"runtime\.txt"):
        recipe(tmp_path, {"runtime.txt": text})


def test_r_combines_with_environment_yml_and_requirements(tmp_path):
    files = {
        "runtime.txt": "r-2025-06-01",
        "install.R": "",
        "environment.yml": "dependencies: [python=3.13, pip: [six]]",
        "requirements.txt": "rich\n",
        "setup.py": "",
        "Pipfile": "",
        "apt.txt": "tree\n",
    }
    found = recipe(tmp_path, files)
    assert (found.r, found.python, found.r_script) == ("any", "3.13", "install.R")
    assert found.generated == "six\n-r requirements.txt\n"
    assert found.package
    assert set(found.used) == set(files) - {"Pipfile"}
    assert [name for name, _ in found.ignored] == ["Pipfile"]


def test_a_pipfile_does_not_count_beside_r(tmp_path):
    found = recipe(tmp_path, {"DESCRIPTION": PACKAGE, "Pipfile": "", "requirements.txt": "six\n"})
    assert (found.r, found.r_package, found.requirements) == ("any", True, "requirements.txt")
    assert [name for name, _ in found.ignored] == ["Pipfile"]


def test_install_r_alone_brings_r_and_says_that_binder_needs_more(tmp_path):
    found = recipe(tmp_path, {"install.R": "", "runtime.txt": "python-3.13\n"})
    assert (found.r, found.r_script, found.python) == ("any", "install.R", "3.13")
    assert "Binder" in found.warnings[0]


@pytest.mark.parametrize("name", ["environment.yml", "Pipfile"])
def test_install_r_is_not_alone_beside_a_file_that_says_everything(tmp_path, name):
    found = recipe(tmp_path, {"install.R": "", name: ""})
    assert found.r == ""
    assert "runtime.txt" in dict(found.ignored)["install.R"]


@pytest.mark.parametrize(
    ("script", "there"),
    [
        ("devtools::install_github('a/b')", True),
        ('library("devtools")', True),
        ("# devtools::x", False),
        ('install.packages("devtools2")', False),
    ],
)
def test_devtools_is_there_for_a_script_that_calls_it(tmp_path, script, there):
    found = recipe(tmp_path, {"install.R": script, "apt.txt": "tree\n"})
    assert found.apt == (("r-cran-devtools", "tree") if there else ("tree",))


def test_in_a_binder_folder_only_its_own_files_count_and_none_is_a_package(tmp_path):
    files = {"binder/install.R": "", "binder/DESCRIPTION": PACKAGE, "DESCRIPTION": PACKAGE}
    found = recipe(tmp_path, files)
    assert (found.r_script, found.r_package) == ("binder/install.R", False)
    assert {name for name, _ in found.ignored} == {"DESCRIPTION", "binder/DESCRIPTION"}


def test_a_description_of_something_else_is_ignored(tmp_path):
    found = recipe(tmp_path, {"DESCRIPTION": "What this course is about.\n"})
    assert found.r == ""
    assert "Package:" in dict(found.ignored)["DESCRIPTION"]


def test_a_day_without_snapshots_is_refused_with_the_way_out():
    dated = Recipe(kind="python", r="any", r_date="2025-06-01", used=("binder/runtime.txt",))
    assert cran_url(dated, mirror="m", snapshots="s/{date}") == "s/2025-06-01"
    with pytest.raises(NotOffered, match=r"binder/runtime\.txt") as caught:
        cran_url(dated, mirror="m", snapshots="")
    assert "base.cran_snapshots" in caught.value.hint


def test_an_r_that_debian_does_not_have_is_refused_and_named():
    wanted = Recipe(kind="python", r="4.5", used=("runtime.txt",))
    check_version(wanted, ("bookworm", "trixie"))
    check_version(wanted, ("of-tomorrow",))
    with pytest.raises(NotOffered, match=r"R 4\.5.*have R 4\.2\.") as caught:
        check_version(wanted, ("bookworm",))
    assert "repo2docker" in caught.value.hint
