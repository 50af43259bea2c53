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


@pytest.mark.parametrize("name", ["environment.yml", "Pipfile", "install.R", "Project.toml"])
def test_what_is_not_built_here_is_refused_by_name_with_a_way_out(tmp_path, name):
    (tmp_path / name).write_text("x")
    with pytest.raises(NotOffered, match=name) as caught:
        read_recipe(tmp_path)
    assert "Dockerfile" in caught.value.hint


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


def test_an_ignored_package_is_named(tmp_path):
    found = recipe(tmp_path, **{"requirements_txt": "a\n", "setup.py": "x"})
    assert found.ignored[0][0] == "setup.py"
