"""The compose file starts the real thing: a launcher in a container that opens a notebook."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import requests
import yaml

from launcher.click import Click
from tests.e2e.conftest import make_box, wait_for

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "deploy" / "compose.yml"


def service():
    return yaml.safe_load(COMPOSE.read_text())["services"]["launcher"]


def run_command(told, image, name, *, settings, data):
    """The `docker run` that says what the compose file says, with these folders for its own."""
    argv = ["docker", "run", "--detach", "--name", name, "--network", told["network_mode"]]
    argv += ["--privileged"] if told["privileged"] else []
    for one in told["volumes"]:
        if isinstance(one, str):
            argv += ["--volume", one.replace("/etc/launcher", str(settings.parent))]
            continue
        assert one["source"] == one["target"] == "/var/lib/launcher"
        how = f"type=bind,source={data},target={data}"
        argv += ["--mount", f"{how},bind-propagation={one['bind']['propagation']}"]
    words = [str(settings) if word.endswith("settings.yml") else word for word in told["command"]]
    return [*argv, image, *[str(data) if word == "/var/lib/launcher" else word for word in words]]


def test_the_data_folder_has_one_path_and_the_engine_is_reached():
    told = service()
    binds = [one for one in told["volumes"] if isinstance(one, dict)]
    assert [(one["source"], one["target"]) for one in binds] == [("/var/lib/launcher",) * 2]
    assert told["command"][-1] == binds[0]["source"]
    assert "/var/run/docker.sock:/var/run/docker.sock" in told["volumes"]
    assert (ROOT / "deploy" / told["build"]["context"] / told["build"]["dockerfile"]).is_file()


def test_the_image_installs_this_project():
    lines = (ROOT / "deploy" / "Dockerfile").read_text()
    assert re.search(r"pip install .*/src", lines)
    assert "launcher = launcher.__main__:main" in (ROOT / "setup.cfg").read_text()
    assert {".git", ".venv"} <= set((ROOT / ".dockerignore").read_text().split())


@pytest.mark.docker
@pytest.mark.skipif(bool(os.environ.get("DOCKER_HOST")), reason="the engine is elsewhere")
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_a_launcher_in_a_container_opens_a_notebook(data_root):
    image, name = "launcher-tests/compose", f"launcher-tests-compose-{os.getpid()}"
    build = ["docker", "build", "--quiet", "--network", "host", "-t", image]
    build += ["--build-arg", "BASE=launcher/base:3.11", "-f", ROOT / "deploy" / "Dockerfile", ROOT]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    root = data_root / "compose"
    root.mkdir()
    box = make_box(root, "docker")
    box.data.mkdir(mode=0o700)
    # as systemd makes the whole of a machine's mounts
    subprocess.run(["mount", "--bind", box.data, box.data], check=True)
    subprocess.run(["mount", "--make-rshared", box.data], check=True)
    box.url = yaml.safe_load(box.settings.read_text())["public_url"]
    command = run_command(service(), image, name, settings=box.settings, data=box.data)
    try:
        begun = subprocess.run(command, capture_output=True, text=True)
        assert begun.returncode == 0, begun.stderr
        wait_for(lambda: ready(box.url), 60)
        student = Click()
        student.open(box.link(), print, timeout=200)
        assert "cells" in student.notebook("course/week1.ipynb")
        assert student.run("print(6 * 7)").strip() == "42"
        (home,) = (box.data / "homes").glob("*/*/course")
        assert (home / "week1.ipynb").exists(), "the student's folder is this machine's"
        subprocess.run(["docker", "restart", "--time", "20", name], check=True, capture_output=True)
        wait_for(lambda: ready(box.url), 60)
        time.sleep(0.5)
        assert student.run("print('still there')").strip() == "still there"
        stop = ["session", "stop", "all", "--settings", str(box.settings)]
        inside = ["docker", "exec", name, "/opt/launcher/bin/launcher", *stop]
        subprocess.run(inside, check=True, capture_output=True)
    finally:
        logs = subprocess.run(["docker", "logs", name], capture_output=True, text=True)
        print(logs.stderr[-3000:])
        subprocess.run(["docker", "rm", "--force", name], capture_output=True)
        subprocess.run(["docker", "rmi", image], capture_output=True)
        box.git.stop()
        subprocess.run(["umount", "--recursive", box.data], check=True)
        box.clean()


def ready(url):
    try:
        return requests.get(f"{url}/readyz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
