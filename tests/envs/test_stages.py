"""The stages of a build, from what its log says."""

from __future__ import annotations

from envs.build_log import Line
from envs.stages import stages_of

OPENING = """Building env/intro:1a2b-3c4d
Repository https://example.org/intro v1, commit 1a2b
Fetched in 0.4 s
Used: apt.txt, requirements.txt
Ignored: Pipfile (environment.yml says all of the packages)
"""
BASE = """Building the base for Python 3.11, once
Pulling python:3.11-slim-bookworm
[1/3] FROM docker.io/library/python
[2/3] RUN apt-get install -y git
Setting up git
[3/3] RUN uv pip install jupyterlab
exporting to image
"""
DOCKER = """copy /context /
CACHED [stage-0 1/8] FROM docker.io/launcher/base:3.11-313aeb84
[stage-0 2/8] RUN --mount=type=cache,target=/var/cache/apt rm -f x && apt-get install -y tree
Setting up tree (2.1.0-1) ...
[stage-0 3/8] COPY --chown=1000:1000 [requirements.txt, /tmp/requirements.txt]
[stage-0 4/8] RUN --mount=type=cache,target=/tmp/uv-cache uv pip install -r /tmp/requirements.txt
 + cowsay==6.1
[stage-0 5/8] COPY --chown=1000:1000 . /srv/repo/
[stage-0 6/8] RUN sed -i 's/\\r$//' binder/postBuild && chmod +x binder/postBuild && true
Pulling data of the course
Note: all is well
[stage-0 7/8] RUN uv pip freeze --quiet --no-cache > /srv/env/launcher.lock
exporting to image
Checking that sessions can start from the image
"""
LOCAL = """$ /opt/uv venv --quiet --seed --python /usr/bin/python3.11 built/1/venv
$ /opt/uv pip install --quiet --requirements requirements.txt -- jupyterlab>=4.2,<5
$ bash -c mkdir -p "$1" page built/1/venv/etc/jupyter/labconfig
$ sed -i s/\\r$// postBuild
$ chmod +x postBuild
start
$ bash -c "$1" pip freeze --quiet --no-cache > "$2" freeze /opt/uv built/1/launcher.lock
Checking that sessions can start from it
"""


def stages(text, **how):
    lines = [Line(n, line, n / 10) for n, line in enumerate(text.splitlines(), start=1)]
    return stages_of(lines, **how)


def names(text):
    return [stage.name for stage in stages(text)]


def test_an_engine_s_build_has_all_stages():
    assert names(OPENING + BASE + DOCKER) == [
        "Fetch", "Read config", "Base", "System packages", "Python packages", "postBuild", "Check",
    ]  # fmt: skip


def test_the_making_of_the_base_is_one_stage():
    base = next(stage for stage in stages(OPENING + BASE + DOCKER) if stage.name == "Base")
    assert base.lines[0].text.startswith("Building the base")
    assert base.lines[-1].text.startswith("CACHED [stage-0 1/8] FROM")


def test_a_local_build_has_the_same_stages():
    assert names(OPENING + LOCAL) == [
        "Fetch", "Read config", "Base", "Python packages", "postBuild", "Check",
    ]  # fmt: skip


def test_every_line_is_in_one_stage():
    text = OPENING + BASE + DOCKER
    found = [line.number for stage in stages(text) for line in stage.lines]
    assert found == list(range(1, len(text.splitlines()) + 1))


def test_a_stage_lasts_until_the_next_one_begins():
    found = {stage.name: stage.seconds for stage in stages(OPENING + DOCKER, ended=9.0)}
    assert found["Fetch"] == 0.4, "which is before the log begins"
    assert found["Read config"] == 0.2
    assert found["Python packages"] == 0.4
    assert found["Check"] == round(9.0 - 1.7, 2)


def test_only_the_last_stage_is_under_way_or_has_failed():
    running = stages(OPENING + DOCKER, outcome="running", ended=9.0)
    assert [stage.state for stage in running] == ["done"] * 6 + ["active"]
    assert running[-1].seconds is None
    assert stages(OPENING + LOCAL, outcome="failed")[-1].state == "failed"
    assert stages(OPENING, outcome="interrupted")[-1].state == "failed"
    assert stages("") == ()


def test_somebody_s_own_dockerfile_is_a_stage_of_its_own():
    text = OPENING.replace("apt.txt, requirements.txt", "Dockerfile") + (
        "[1/3] FROM docker.io/launcher/base:3.11\n[2/3] RUN apt-get install tree\n"
        "[build 1/2] FROM x\n[3/3] RUN uv pip install six\nexporting to image\n"
    )
    assert names(text) == ["Fetch", "Read config", "Base", "Dockerfile", "Check"]


def test_a_second_try_begins_again():
    retry = "That is not possible any more (numpy 1 was withdrawn); taking the newest\n"
    assert names(OPENING + LOCAL + retry + LOCAL).count("Python packages") == 2


def test_a_log_without_times_has_stages_without_seconds():
    lines = [Line(n, text) for n, text in enumerate((OPENING + LOCAL).splitlines(), start=1)]
    assert {stage.seconds for stage in stages_of(lines, ended=3.0)[1:]} == {None}


def test_the_legacy_builder_s_steps_are_known():
    text = OPENING + (
        "Step 1/4 : FROM launcher/base:3.11\n ---> 1\nStep 2/4 : RUN apt-get install -y tree\n"
        "Step 3/4 : RUN uv pip install --no-cache --requirements requirements.txt\n"
    )
    assert names(text)[2:] == ["Base", "System packages", "Python packages"]


def test_an_engine_s_steps_are_known_however_many_they_are():
    text = OPENING + (
        "[stage-0  1/10] FROM docker.io/launcher/base:3.11\n"
        "[stage-0  2/10] RUN install -d /srv/conda && true\n"
        "[ 3/10] RUN sed -i x postBuild\n[10/10] RUN uv pip freeze > /srv/env/launcher.lock\n"
    )
    assert names(text)[2:] == ["Base", "Python packages", "postBuild", "Check"]


def test_what_repo2docker_does_is_one_stage():
    text = OPENING + (
        "Handing over to repo2docker: Project.toml\n[2/9] RUN apt-get install git\n"
        "#5 exporting to image\nexporting to image\nChecking that sessions can start from it\n"
    )
    assert names(text)[2:] == ["repo2docker", "Check"]


def test_waiting_for_a_place_is_a_stage_of_its_own():
    waits = "Waiting for a build place, 1 before you\nWaiting for a build place, you are next\n"
    text = OPENING + waits + "It is your turn\n" + DOCKER
    assert names(text)[:4] == ["Fetch", "Read config", "Waiting", "Base"]
