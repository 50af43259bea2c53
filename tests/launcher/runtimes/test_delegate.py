"""Handing over to repo2docker: its command, its end, and what it may see. The real one is used."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envs.errors import BadEnvironment, BuildFailed, NotOffered
from envs.halt import NO_HALT
from envs.readers import read_recipe
from envs.recipe import Recipe
from launcher.runtimes.docker.delegate import Delegate, build_command, run
from tests.waiting import limit_once, wait_for

JULIA = Recipe(kind="repo2docker", delegated="Project.toml asks for Julia", used=("Project.toml",))


@pytest.fixture
def program(tmp_path):
    """A program of a few lines in repo2docker's place."""

    def program(script):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return str(path)

    return program


def test_the_command_has_our_name_user_and_folder_and_only_labels_that_are_safe():
    labels = {"launcher.env.name": "env/x:1a2b-3c4d", "launcher.env.ref": 'v1"$(id)'}
    command = build_command("r2d", JULIA, source="/src", tag="launcher-build/1:new", labels=labels)
    assert command == [
        "r2d",
        "--no-run",
        "--user-id=1000",
        "--user-name=jovyan",
        "--target-repo-dir=/srv/repo",
        "--DockerEngine.extra_buildx_build_args=--load",
        "--image-name=launcher-build/1:new",
        "--label=launcher.env.name=env/x:1a2b-3c4d",
        "/src",
    ]


def test_where_it_is_not_installed_the_file_the_reason_and_the_way_out_are_named():
    with pytest.raises(NotOffered, match=r"Project\.toml asks for Julia.*not installed") as caught:
        Delegate(program="/no/such/program").plan(JULIA)
    assert "split-launcher[repo2docker]" in caught.value.hint


def test_where_the_settings_forbid_it_the_way_out_is_another():
    with pytest.raises(NotOffered, match=r"Project\.toml asks for Julia") as caught:
        Delegate(allowed=False).plan(JULIA)
    assert "environments.builder" in caught.value.hint


def test_another_version_of_it_makes_another_image(program):
    first = Delegate(program=program("echo 1.0")).plan(JULIA)
    delegate = Delegate(program=program("echo 2.0"))
    os.utime(delegate.program, (1, 1))  # a clock of 4 ms may show no difference
    assert first.splitlines()[0] == "1.0"
    assert delegate.plan(JULIA).splitlines()[0] == "2.0"


def test_every_line_is_said_and_the_first_error_is_the_message(program):
    lines = []
    script = "echo one >&2; echo 'ERROR: no such package'; echo CalledProcessError: x; exit 3"
    with pytest.raises(BuildFailed, match="no such package") as caught:
        run([program(script)], halt=NO_HALT.within(120), say=lines.append)
    assert list(caught.value.log_tail) == lines
    assert lines[0] == "one"


@pytest.mark.parametrize("script", ["sleep 60", "trap '' TERM; while :; do sleep 1; done"])
def test_at_the_time_limit_it_ends_with_all_that_it_started(program, tmp_path, monkeypatch, script):
    child = tmp_path / "child"
    limit_once(lambda: child.exists() and child.read_text().strip(), monkeypatch)
    script = f"(trap '' TERM; echo $BASHPID > {child}; sleep 60) & {script}"
    with pytest.raises(BuildFailed, match="longer than 100 s"):
        run([program(script)], halt=NO_HALT.within(100), say=print)
    pid = int(child.read_text())
    wait_for(lambda: not running(pid))


def running(pid):
    try:
        said = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return "Z" not in said.rsplit(")", 1)[-1].split()[0]


def test_a_listener_that_gives_up_ends_it_too(program, tmp_path):
    def say(line):
        raise KeyError(line)

    with pytest.raises(KeyError):
        run(
            [program(f"echo $$ > {tmp_path}/pid; echo x; sleep 60")],
            halt=NO_HALT.within(120),
            say=say,
        )
    assert not running(int((tmp_path / "pid").read_text()))


def test_secrets_of_the_launcher_are_not_passed_on(program, monkeypatch):
    monkeypatch.setenv("COURSE_TOKEN", "secret")
    monkeypatch.setenv("DOCKER_HOST", "unix:///x")
    lines = []
    run([program("env")], halt=NO_HALT.within(120), say=lines.append)
    assert "DOCKER_HOST=unix:///x" in lines
    assert not any("COURSE_TOKEN" in line for line in lines)


def test_a_link_that_leads_out_is_refused_because_it_would_be_read_here(program, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "requirements.txt").symlink_to("/etc/passwd")
    delegate = Delegate(program=program("touch ran"))
    with pytest.raises(BadEnvironment, match="out of the repository"):
        delegate.build(JULIA, source=source, tag="x", labels={}, say=print)


def dockerfile(source, files):
    source.mkdir()
    for name, text in files.items():
        (source / name).write_text(text)
    recipe = read_recipe(source, delegate=True)
    return Delegate().dockerfile(recipe, source=source)


def test_repo2docker_takes_the_command_and_prints_its_dockerfile(tmp_path):
    text = dockerfile(
        tmp_path / "old",
        {"runtime.txt": "python-2.7", "requirements.txt": "six\n", "repo2docker_config.py": "1/0"},
    )
    assert text.startswith("FROM ")
    assert "py-2d2-2e7" in text, "the lock of Python 2.7, in repo2docker's spelling"
    assert "COPY --chown=1000:1000 src/" in text


def test_a_nix_environment_finds_its_file_and_profile_under_the_students_home(tmp_path):
    (tmp_path / "nix").mkdir()
    (tmp_path / "nix" / "default.nix").write_text("{}")
    (tmp_path / "nix" / "start").write_text('exec "$@"')
    recipe = read_recipe(tmp_path / "nix")
    text = Delegate().dockerfile(recipe, source=tmp_path / "nix")
    end = text[text.index("# Appendix") :]
    assert "LAUNCHER_NIX=/srv/repo/default.nix" in end
    assert "LAUNCHER_START=/srv/repo/start" in end
    assert "per-user/jovyan/profile/bin" in end
