"""`make bench`: the click and the first pull, each against its plain way."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import docker

from benchmarks.start import start_to_status
from benchmarks.timing import compare
from envs.git import Git
from launcher import serve as serving
from launcher.config import load_config
from launcher.content.here import pull_here
from launcher.demo.git_server import GitServer
from launcher.demo.samples import make_repository, make_samples, sample_link
from launcher.rehearsal.click import Click
from link_generator.link import compose_link


def main() -> int:
    """Print the ratios; exit code 1 without a Docker engine, which the click needs."""
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
        lambda _: start_to_status(engine, image),
    )


def once(link: str) -> None:
    """A new student clicks; done when the server and the linked file answer."""
    click = Click()
    click.open(link, lambda line: None)
    assert click.browser.get(f"{click.session_url}api/status", timeout=10).status_code == 200
    assert click.notebook("intro/week1.ipynb")["cells"]


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
    pull_here(url, folder, branch="", depth=1, backup=False, git=Git(personal=True))


def pull_command(url: str, folder: Path) -> None:
    command = [sys.executable, "-m", "launcher", "pull", url, str(folder)]
    subprocess.run(command, check=True, capture_output=True)


def clone(url: str, folder: Path) -> None:
    command = ["git", "clone", "--quiet", "--depth", "1", "--", url, str(folder)]
    subprocess.run(command, check=True, env=os.environ | {"GIT_TERMINAL_PROMPT": "0"})


if __name__ == "__main__":
    sys.exit(main())
