"""Rendered Dockerfiles as steps: all that the launcher writes is understood, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from envs.base import Base, render_base
from launcher.runtimes.docker.steps import Copy, Run, copied, parse_script

GOLDEN = Path(__file__).parents[2] / "envs" / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.Dockerfile")), ids=lambda path: path.stem)
def test_every_golden_dockerfile_is_understood(path):
    script = parse_script(path.read_text())
    runs = [step for step in script.steps if isinstance(step, Run)]
    assert script.base.startswith("launcher/base:")
    assert script.workdir == "/home/jovyan"
    assert not any("--mount" in step.command for step in runs)
    assert len(script.steps) == sum(
        line.startswith(("RUN", "COPY")) for line in path.read_text().splitlines()
    )


def test_a_base_is_understood():
    base = Base(
        "3.11",
        "bookworm",
        ("jupyterlab",),
        "0.9",
        ca=b"x",
        index_url="https://index.example.org/simple/",
    )
    script = parse_script(render_base(base, root_image="launcher/debian:bookworm"))
    assert script.config == (
        "EXPOSE 8888",
        'CMD ["jupyter-server", "--ServerApp.ip=0.0.0.0", "--ServerApp.port=8888"]',
    )
    last = script.steps[-1]
    assert isinstance(last, Run)
    assert last.user == "1000:1000"
    assert last.environment["UV_DEFAULT_INDEX"] == "https://index.example.org/simple/"


def test_values_are_what_a_dockerfile_makes_of_them():
    script = parse_script('FROM a\nENV A="it\\\\s \\"\\$HOME\\""\nRUN true\n')
    (step,) = script.steps
    assert isinstance(step, Run)
    assert step.environment == {"A": 'it\\s "$HOME"'}


@pytest.mark.parametrize(
    "line",
    [
        "ADD x y",
        "ENV A=$B",
        "RUN --mount=type=secret,id=x true",
        "RUN --mount=type=bind,from=x,target=/y z",
    ],
)
def test_what_the_launcher_never_writes_is_refused(line):
    with pytest.raises((ValueError, KeyError)):
        parse_script(f"FROM a\n{line}\n")


def test_a_folder_s_content_goes_into_the_target_and_a_file_becomes_it():
    paths = ["a", "a/b.txt", "c.txt"]
    assert dict(copied(paths, Copy("", "a", "/t", "0:0"))) == {"a": "/t", "a/b.txt": "/t/b.txt"}
    assert dict(copied(paths, Copy("", "c.txt", "/t/d", "0:0"))) == {"c.txt": "/t/d"}
    assert dict(copied(paths, Copy("", ".", "/t/", "0:0")))["a/b.txt"] == "/t/a/b.txt"
