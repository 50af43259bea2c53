"""Packs of git objects, cut from a mirror for clones that have a part already."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import IO

from envs.atomic import writing
from envs.git import SAFE_CONFIG, Git, GitFailed


def write_pack(mirror: Path, commit: str, have: str | None, target: Path, *, git: Git) -> None:
    """Write the objects of `commit` that are not in `have`; the file appears when complete."""
    revisions = f"{commit}\n" + (f"^{have}\n" if have else "")
    thin = ["--thin", "--shallow"] if have else []
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with writing(target) as file:
        _run(
            ["pack-objects", "--revs", "--stdout", "--quiet", "--delta-base-offset", *thin],
            mirror,
            stdin=revisions.encode(),
            stdout=file,
            git=git,
        )


def shallow_commits(mirror: Path, commit: str, *, git: Git) -> list[str]:
    """Where the history of `commit` ends in this mirror, without being its beginning."""
    try:
        ends = set((mirror / "shallow").read_text("ascii").split())
    except FileNotFoundError:
        return []
    listed = git.run("--git-dir", str(mirror), "rev-list", commit)
    return [one for one in listed.split() if one in ends]


def _run(args: list[str], mirror: Path, *, stdin: bytes, stdout: IO[bytes], git: Git) -> None:
    settings = [word for one in SAFE_CONFIG for word in ("-c", one)]
    done = subprocess.run(
        ["git", *settings, "--git-dir", str(mirror), *args],
        input=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=git.environment(),
        timeout=600,
        check=False,
    )
    if done.returncode != 0:
        raise GitFailed(args[0], done.returncode, done.stderr.decode("utf-8", "replace"))
