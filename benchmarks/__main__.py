"""`make bench`: the click, the first pull and the build, each against its plain way."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import requests

from benchmarks.timing import compare
from envs.git import Git
from launcher import serve as serving
from launcher.config import load_config
from launcher.content.here import pull_here
from launcher.demo.click import Click
from launcher.demo.git_server import GitServer
from launcher.demo.samples import make_repository, make_samples, sample_link
from link_generator.link import compose_link

PIP_AND_UV = "numpy pandas matplotlib"


def main() -> int:
    """Print the ratios; exit code 1 without a Docker engine, which two of the three need."""
    try:
        engine = docker.from_env()
        engine.ping()
    except Exception as error:  # whatever it is, it is said
        print(f"no Docker engine: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="launcher-bench-") as folder:
        root = Path(folder)
        click_against_docker_run(root, engine)
        pull_against_clone(root)
        uv_against_pip(root, engine)
    return 0


def click_against_docker_run(root: Path, engine: docker.DockerClient) -> None:
    """Link to answering session with its file, against a container to its first answer."""
    make_samples(root / "git")
    with GitServer(root / "git") as git:
        config = load_config(
            data=str(root / "data"),
            listen="127.0.0.1:0",
            runtime="docker",
            git__hosts=[git.host],
        )
        running = serving.start(config)
        try:
            link = compose_link(sample_link(f"http://{git.host}"), running.url)
            once(link)  # builds the image, fetches the content
            sessions = running.parts.runtime.list()
            image = sessions[0].image
            print(compare_click(link, image, engine))
        finally:
            for session in running.parts.runtime.list():
                running.parts.runtime.stop(session.id)
            running.stop()


def compare_click(link: str, image: str, engine: docker.DockerClient) -> object:
    return compare(
        "click to usable (new student, cold)",
        lambda _: once(link),
        "docker run of the same image to /api/status",
        lambda _: plain_run(image, engine),
    )


def once(link: str) -> None:
    """A new student clicks; done when the server and the linked file answer."""
    click = Click()
    click.open(link, lambda line: None)
    assert click.browser.get(f"{click.session_url}api/status", timeout=10).status_code == 200
    assert click.notebook("intro/week1.ipynb")["cells"]


def plain_run(image: str, engine: docker.DockerClient) -> None:
    command = ["jupyter-server", "--ServerApp.ip=0.0.0.0", "--IdentityProvider.token=t"]
    container = engine.containers.run(image, command, detach=True, init=True)
    try:
        container.reload()
        address = container.attrs["NetworkSettings"]["IPAddress"]
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.ConnectionError):
                url = f"http://{address}:8888/api/status"
                headers = {"Authorization": "token t"}
                if requests.get(url, headers=headers, timeout=2).status_code == 200:
                    return
            time.sleep(0.02)
        raise TimeoutError("the container did not answer")
    finally:
        container.remove(force=True)


def pull_against_clone(root: Path) -> None:
    """`launcher pull` of a new folder, against git's own shallow clone."""
    files = {f"file{number}.txt": f"{number}\n" * 50 for number in range(50)}
    make_repository(root / "git" / "fifty", files, "")
    with GitServer(root / "git") as git:
        url = git.url("fifty")
        for name, pull in (("in this process", pull_inside), ("as a command", pull_command)):
            ratio = compare(
                f"first pull of 50 files, {name}",
                lambda n, pull=pull, name=name: pull(url, root / f"pull-{name}-{n}"),
                "git clone --depth 1",
                lambda n, name=name: clone(url, root / f"clone-{name}-{n}"),
                rounds=7,
            )
            print(ratio)


def pull_inside(url: str, folder: Path) -> None:
    pull_here(url, folder, branch="", depth=1, backup=False, git=Git())


def pull_command(url: str, folder: Path) -> None:
    command = [sys.executable, "-m", "launcher", "pull", url, str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def clone(url: str, folder: Path) -> None:
    command = ["git", "clone", "--quiet", "--depth", "1", "--", url, str(folder)]
    subprocess.run(command, check=True, env=os.environ | {"GIT_TERMINAL_PROMPT": "0"})


def uv_against_pip(root: Path, engine: docker.DockerClient) -> None:
    """The same requirements on the same base, both compiling bytecode, both without a cache."""
    with built_base(root) as base:
        uv = "uv pip install --no-cache --compile-bytecode --link-mode=copy"
        pip = "/srv/env/bin/python -m pip install --no-cache-dir --quiet"
        ratio = compare(
            f"uv pip install {PIP_AND_UV}",
            lambda _: install(engine, base, f"{uv} {PIP_AND_UV}"),
            "pip install",
            lambda _: install(engine, base, f"{pip} {PIP_AND_UV}"),
            rounds=3,
        )
        print(ratio)


@contextlib.contextmanager
def built_base(root: Path) -> Iterator[str]:
    from launcher.app import create_parts
    from launcher.runtimes.docker.images import DockerImages

    parts = create_parts(load_config(data=str(root / "base-data"), runtime="docker"))
    images = parts.runtime.images
    assert isinstance(images, DockerImages)
    yield images.bases.ensure("3.11", say=lambda line: None).name
    shutil.rmtree(root / "base-data", ignore_errors=True)


def install(engine: docker.DockerClient, base: str, command: str) -> None:
    name = f"launcher-bench-{uuid.uuid4().hex[:8]}"
    engine.containers.run(base, ["/bin/sh", "-c", command], name=name, remove=True)


if __name__ == "__main__":
    sys.exit(main())
