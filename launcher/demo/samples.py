"""A sample course: an environment repository and a content repository, as real git repositories."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import git

import envs
from link_generator.link import Link

GREETING = "Environment and content have met"
AUTHOR = git.Actor("Demo", "demo@example.org")
DATE = "2026-01-01T00:00:00 +0000"
"""Fixed, so that the sample environment is the same commit, and so built once, everywhere."""


def make_samples(folder: Path) -> None:
    """Make both repositories in `folder`; ones that are there stay."""
    sample = Path(envs.__file__).parent / "samples" / "requirements"
    make_repository(folder / "intro-env", {p.name: p.read_text() for p in sample.iterdir()}, "v1")
    notebook = json.dumps(week_1(), indent=1) + "\n"
    readme = "# Intro\n\nOpen week1.ipynb and run its cells.\n"
    make_repository(folder / "intro", {"README.md": readme, "week1.ipynb": notebook}, "")


def make_repository(folder: Path, files: dict[str, str], tag: str) -> None:
    if folder.exists():
        return
    temp = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(temp, ignore_errors=True)
    temp.mkdir(parents=True)
    for name, text in files.items():
        (temp / name).write_text(text)
    with git.Repo.init(temp, initial_branch="main") as repo:
        repo.index.add(sorted(files))
        repo.index.commit(
            "Sample",
            author=AUTHOR,
            committer=AUTHOR,
            author_date=DATE,
            commit_date=DATE,
            skip_hooks=True,
        )
        if tag:
            repo.create_tag(tag)
    temp.rename(folder)


def sample_link(base: str) -> Link:
    """The link that a teacher would share; `base` is the git server's address."""
    return Link(
        env=f"{base}/intro-env",
        tag="v1",
        repo=f"{base}/intro",
        branch="main",
        path="week1.ipynb",
    )


def week_1() -> dict[str, object]:
    """A notebook whose cell needs the environment's package."""
    code = f"import cowsay\n\ncowsay.cow({GREETING!r})"
    cells = [
        {
            "cell_type": "markdown",
            "id": "hello",
            "metadata": {},
            "source": "# Week 1\n\nRun the next cell: the package is the environment's.",
        },
        {
            "cell_type": "code",
            "id": "cow",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": code,
        },
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
