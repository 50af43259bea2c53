"""The same work by our command, by nbgitpuller's and by plain git, in turn; ratios to git."""

from __future__ import annotations

import itertools
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pull.scene import OURS, QUIET, THEIRS, Puller
from tests.git_server import GitServer, Repo

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """Medians in seconds."""

    what: str
    git: float
    ours: float
    theirs: float

    def __str__(self) -> str:
        return (
            f"{self.what:34} {self.git:7.3f} {self.ours:7.3f} {self.ours / self.git:6.2f} x "
            f"{self.theirs:7.3f} {self.theirs / self.git:6.2f} x"
        )


HEAD = f"{'':34} {'git':>7} {'ours':>7} {'ratio':>8} {'theirs':>7} {'ratio':>8}"


def run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(
        command, cwd=cwd, env=os.environ | QUIET, check=True, capture_output=True, text=True
    )


def measure(what: str, prepare: Callable[[str, int], Callable[[], None]]) -> Row:
    """Prepare and do the work for each of the three in turn, several times."""
    times: dict[str, list[float]] = {"git": [], "ours": [], "theirs": []}
    for number in range(ROUNDS):
        for who in times:
            work = prepare(who, number)
            began = time.perf_counter()
            work()
            times[who].append(time.perf_counter() - began)
    return Row(what, *(statistics.median(times[who]) for who in ("git", "ours", "theirs")))


def pull_by(who: str, url: str, folder: Path) -> None:
    puller: Puller = {"ours": OURS, "theirs": THEIRS}[who]
    run(*puller.command(url, "main", folder))


def rows(root: Path, server: GitServer) -> Iterator[Row]:
    """Small and medium repositories over HTTP on loopback."""
    for size in (50, 2000):
        repo = Repo.create(
            server.root / f"speed{size}",
            {f"d{n % 20}/file{n}.txt": f"{n}\n" * 40 for n in range(size)},
        )
        url = server.url(f"speed{size}")
        places = (root / f"work{size}-{n}" for n in itertools.count())

        def first(who: str, _n: int, url: str = url, places=places) -> Callable[[], None]:  # type: ignore[no-untyped-def]
            folder = next(places)
            clone = ("git", "clone", "-q", "--depth", "1", "--", url, str(folder))
            return lambda: run(*clone) if who == "git" else pull_by(who, url, folder)

        yield measure(f"first pull, {size} files (git clone)", first)

        def done(who: str, url: str = url, places=places) -> Path:  # type: ignore[no-untyped-def]
            """A folder that was pulled into, by the one who pulls again."""
            folder = next(places)
            if who == "git":
                run("git", "clone", "-q", "--depth", "1", "--", url, str(folder))
            else:
                pull_by(who, url, folder)
            return folder

        def again(who: str, url: str, folder: Path) -> Callable[[], None]:
            if who == "git":
                return lambda: run("git", "pull", "-q", "--ff-only", cwd=folder)
            return lambda: pull_by(who, url, folder)

        yield measure(
            f"nothing new, {size} files (git pull)",
            lambda who, _n, url=url, done=done: again(who, url, done(who)),
        )
        if size == 2000:
            yield measure("500 files restored (git checkout)", restore_of(url, done))
            yield measure("2000 files changed (git pull)", changes_of(repo, url, done, again))


def restore_of(url: str, done: Callable[[str], Path]) -> Callable[[str, int], Callable[[], None]]:
    def prepare(who: str, _n: int) -> Callable[[], None]:
        folder = done(who)
        for number in range(500):
            (folder / f"d{number % 20}/file{number}.txt").unlink()
        if who == "git":
            return lambda: run("git", "checkout", "-q", "--", ".", cwd=folder)
        return lambda: pull_by(who, url, folder)

    return prepare


def changes_of(
    repo: Repo,
    url: str,
    done: Callable[[str], Path],
    again: Callable[[str, str, Path], Callable[[], None]],
) -> Callable[[str, int], Callable[[], None]]:
    turns = itertools.count()

    def prepare(who: str, _n: int) -> Callable[[], None]:
        folder = done(who)
        turn = next(turns)
        repo.commit({f"d{n % 20}/file{n}.txt": f"{turn} {n}\n" * 40 for n in range(2000)})
        return again(who, url, folder)

    return prepare


def clean(root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
