"""Readers: which files count, which win, and that every ignored one is named."""

import pytest

from envs.errors import BadEnvironment, NotOffered
from envs.readers import read_recipe


def recipe(tmp_path, **files):
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_txt", ".txt").replace("dot", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_recipe(tmp_path)


def test_all_files_together(tmp_path):
    found = recipe(
        tmp_path,
        requirements_txt="numpy\n",
        apt_txt="# tools\ngraphviz\ncurl=7.88.1-10 # pinned\n",
        postBuild="#!/bin/bash\n",
        start='#!/bin/bash\nexec "$@"\n',
        runtime_txt="python-3.13\n",
    )
    assert found.kind == "python"
    assert found.python == "3.13"
    assert found.apt == ("curl=7.88.1-10", "graphviz")
    assert (found.requirements, found.post_build, found.start) == (
        "requirements.txt",
        "postBuild",
        "start",
    )
    assert set(found.used) == {
        "runtime.txt",
        "apt.txt",
        "requirements.txt",
        "postBuild",
        "start",
    }


def test_no_file_at_all_is_the_default_environment_and_says_so(tmp_path):
    found = recipe(tmp_path)
    assert found.python == "3.11"
    assert "No environment file found" in found.warnings[0]


@pytest.mark.parametrize("folder", ["binder", "dotbinder"])
def test_a_binder_folder_hides_the_root(tmp_path, folder):
    found = recipe(tmp_path, **{f"{folder}__requirements_txt": "a\n", "requirements_txt": "b\n"})
    assert found.requirements == f"{folder.replace('dot', '.')}/requirements.txt"
    assert [name for name, _ in found.ignored] == ["requirements.txt"]


def test_two_binder_folders_are_an_error(tmp_path):
    with pytest.raises(BadEnvironment, match="both"):
        recipe(tmp_path, binder__apt_txt="", dotbinder__apt_txt="")


def test_a_dockerfile_overrides_everything_and_names_what_it_ignores(tmp_path):
    found = recipe(tmp_path, Dockerfile="FROM x\n", requirements_txt="a\n", apt_txt="b\n")
    assert found.kind == "dockerfile"
    assert {name for name, _ in found.ignored} == {"requirements.txt", "apt.txt"}


def test_a_dockerfile_without_from_is_an_error(tmp_path):
    with pytest.raises(BadEnvironment, match="FROM"):
        recipe(tmp_path, Dockerfile="RUN x\n")


@pytest.mark.parametrize(
    "line", ["curl; touch /PWNED", "$(id)", "a`id`", "-o=x", "UPPER", "a\\", "--help", "a=1;b"]
)
def test_apt_txt_cannot_inject_anything(tmp_path, line):
    with pytest.raises(BadEnvironment, match="line 2"):
        recipe(tmp_path, apt_txt=f"graphviz\n{line}\n")


@pytest.mark.parametrize(
    ("text", "python"), [("python-3.11", "3.11"), ("python-3", "3.11"), ("python-3.13.2\n", "3.13")]
)
def test_runtime_txt(tmp_path, text, python):
    assert recipe(tmp_path, runtime_txt=text).python == python


@pytest.mark.parametrize("text", ["3.11", "python", "python-3.11; x", "ruby-3"])
def test_a_wrong_runtime_txt_says_what_to_write(tmp_path, text):
    with pytest.raises(BadEnvironment) as caught:
        recipe(tmp_path, runtime_txt=text)
    assert "python-3.11" in caught.value.hint


def test_a_link_out_of_the_repository_is_refused(tmp_path):
    (tmp_path / "requirements.txt").symlink_to("/etc/passwd")
    with pytest.raises(BadEnvironment, match="out of the repository"):
        read_recipe(tmp_path)


def test_requirements_that_fail_elsewhere_are_warned_of_by_line(tmp_path):
    found = recipe(tmp_path, requirements_txt="numpy\nfoo @ file:///home/me/foo\npywin32==306\n")
    assert any("line 2" in said for said in found.warnings)
    assert any("line 3" in said for said in found.warnings)


def test_scripts_with_windows_line_ends_or_no_mode_are_mended_and_said(tmp_path):
    (tmp_path / "postBuild").write_bytes(b"echo hi\r\n")
    said = " ".join(read_recipe(tmp_path).warnings)
    assert "Windows" in said
    assert "executable" in said
    assert "bash" in said


def test_a_file_that_is_no_text_is_an_error(tmp_path):
    (tmp_path / "apt.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadEnvironment, match="UTF-8"):
        read_recipe(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "installed"),
    [
        ("setup.py", "from setuptools import setup\nsetup()\n", True),
        ("pyproject.toml", "[build-system]\nrequires = []\n[project]\nname = 'x'\n", True),
        ("pyproject.toml", "[tool.ruff]\n", False),
    ],
)
def test_a_repository_that_is_a_package_is_installed(tmp_path, name, text, installed):
    found = recipe(tmp_path, **{"requirements_txt": "a\n", name: text})
    assert (found.package, name in found.used) == (installed, installed)
    assert [one for one, _ in found.ignored] == ([] if installed else [name])


def test_a_binder_folder_hides_the_package(tmp_path):
    found = recipe(tmp_path, binder__requirements_txt="a\n", **{"setup.py": "x"})
    assert not found.package
    assert "setup.py" in dict(found.ignored)


ENVIRONMENT = """
name: course
channels: [conda-forge, defaults]
dependencies:
  - python=3.13
  - pip
  - pip:
    - numpy==2.1.*
    - -r extra.txt
variables:
  GREETING: "it's $HOME"
"""


def test_an_environment_yml_without_conda_packages_is_pips_list(tmp_path):
    found = recipe(
        tmp_path,
        **{
            "environment.yml": ENVIRONMENT,
            "requirements_txt": "x\n",
            "runtime_txt": "python-3.9\n",
        },
        apt_txt="curl\n",
    )
    assert (found.python, found.apt) == ("3.13", ("curl",))
    assert found.generated == "numpy==2.1.*\n-r extra.txt\n"
    assert found.requirements == ".launcher-requirements.txt"
    assert found.variables == (("GREETING", "it's $HOME"),)
    assert {name for name, _ in found.ignored} == {"requirements.txt", "runtime.txt"}


def test_a_python_that_nobody_has_is_not_offered(tmp_path):
    with pytest.raises(NotOffered, match="Python >=4"):
        recipe(tmp_path, **{"environment.yml": "dependencies: ['python>=4']"})


CONDA = """
channels: [defaults, course, conda-forge, nodefaults, https://h.org/c/]
dependencies: [numpy=1.*, 'conda-forge::gdal >=3,<4', Python=3.9, pip: [cowsay]]
"""


def test_conda_packages_are_solved_from_their_channels(tmp_path):
    found = recipe(tmp_path, **{"environment.yml": CONDA, "requirements_txt": "x\n"})
    assert found.kind == "conda"
    assert found.conda.specs == ("numpy=1.*", "conda-forge::gdal >=3,<4", "Python=3.9")
    assert found.conda.channels == ("conda-forge", "course", "https://h.org/c")
    assert not found.conda.shared
    assert found.generated == "cowsay\n"
    assert any("defaults is taken as conda-forge" in said for said in found.warnings)
    assert ("requirements.txt", "environment.yml says all of the packages") in found.ignored


@pytest.mark.parametrize(
    ("text", "shared", "specs"),
    [
        ("dependencies: [numpy]", False, ("numpy", "python=3.11")),
        ("dependencies: [numpy, jupyterlab=4]", True, ("numpy", "jupyterlab=4", "python=3.11")),
        ("dependencies: [numpy, pip: [jupyterlab==4.2]]", True, ("numpy", "python=3.11")),
    ],
)
def test_an_environment_with_jupyterlab_is_the_server_too(tmp_path, text, shared, specs):
    found = recipe(tmp_path, **{"environment.yml": text})
    assert (found.conda.shared, found.conda.specs) == (shared, specs)


def test_a_python_that_the_builder_lacks_comes_from_conda(tmp_path):
    text = "dependencies: [python=3.10, pip: [cowsay]]"
    found = recipe(tmp_path, **{"environment.yml": text})
    assert (found.kind, found.python, found.conda) == ("python", "3.10", None)
    assert found.fitted(has_python=True) is found
    other = found.fitted(has_python=False)
    assert (other.kind, other.conda.specs) == ("conda", ("python=3.10",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dependencies:\n  - numpy\n  - pystan==\n", "line 3: 'pystan=='"),
        ("dependencies: [numpy]\nchannels: [file:///etc]", "file:///etc"),
        ("dependencies: [numpy]\nchannels: [../x]", "../x"),
        ("dependencies: [numpy]\nchannels: ['https://me:secret@h.org/c']", "channel"),
        ("dependencies: [numpy]\nchannels: x", "list"),
    ],
)
def test_what_conda_cannot_mean_is_named(tmp_path, text, said):
    with pytest.raises(BadEnvironment, match=r"environment\.yml") as caught:
        recipe(tmp_path, **{"environment.yml": text})
    assert said in caught.value.message


@pytest.mark.parametrize(
    "text",
    ["a: [", "just text", "dependencies: x", "dependencies: [[a]]", "dependencies: [{a: [b]}]",
     "dependencies: [{pip: 1}]", "dependencies: [2001-99-99]", "a: " + "[" * 5000,
     "dependencies: ['python=x']", "variables: {'A B': 1}", "variables: [1]"],
)  # fmt: skip
def test_a_broken_environment_yml_is_a_sentence(tmp_path, text):
    with pytest.raises(BadEnvironment, match=r"environment\.yml"):
        recipe(tmp_path, **{"environment.yml": text})


@pytest.mark.parametrize(
    ("wanted", "version"),
    [("=3.9", "3.9"), ("==3.12.4", "3.12"), ("3.13.*", "3.13"), (">=3.9", "3.11"), ("", "3.11"),
     (">=3.12", "3.13"), ("<3.11", "3.10"), ("=3", "3.11"), ("3.11.*=*_cpython", "3.11")],
)  # fmt: skip
def test_a_range_of_pythons_gets_one(tmp_path, wanted, version):
    found = recipe(tmp_path, **{"environment.yml": f"dependencies: ['python {wanted}']"})
    assert found.python == version


LOCK = """{"_meta": {"requires": {"python_version": "3.11"}},
 "default": {"six": {"version": "==1.16.0", "markers": "python_version >= '3'"},
             "x": {"git": "https://h/x.git", "ref": "abc"},
             "here": {"path": ".", "editable": true}},
 "develop": {"rich": {"version": "==13.0", "extras": ["jupyter"]}}}"""


def test_a_pipfile_lock_wins_over_its_pipfile_and_requirements(tmp_path):
    found = recipe(
        tmp_path, **{"Pipfile.lock": LOCK, "Pipfile": "", "requirements_txt": "", "setup.py": ""}
    )
    assert found.generated.splitlines() == [
        "-e .",
        "rich[jupyter]==13.0",
        "six==1.16.0 ; python_version >= '3'",
        "x @ git+https://h/x.git@abc",
    ]
    assert {name for name, _ in found.ignored} == {"Pipfile", "requirements.txt", "setup.py"}


def test_a_pipfile_alone_is_read_and_warned_of(tmp_path):
    text = "[packages]\nsix = '*'\nrich = {version = '>=13', extras = ['jupyter']}\n"
    found = recipe(tmp_path, Pipfile=text + "[requires]\npython_version = '3.13'\n")
    assert found.generated == "rich[jupyter]>=13\nsix\n"
    assert found.python == "3.13"
    assert "Pipfile.lock" in found.warnings[0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Pipfile", "["),
        ("Pipfile", "requires = 1"),
        ("Pipfile.lock", "[]"),
        ("Pipfile.lock", '{"_meta": {"requires": 1}}'),
        ("Pipfile.lock", "[" * 100_000),
    ],
)
def test_a_broken_pipfile_is_a_sentence(tmp_path, name, text):
    with pytest.raises(BadEnvironment, match=name):
        recipe(tmp_path, **{name: text})
