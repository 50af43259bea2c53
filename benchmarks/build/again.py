"""The launcher's own build of a tag: the first, the second, and one more package."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from benchmarks.build.bench import Bench, quiet, timed
from benchmarks.timing import Ratio
from envs.git import Git
from envs.store import Store
from envs.version import resolve_version
from tests.git_server import GitServer, Repo


def ratios(bench: Bench, *, rounds: int) -> Iterator[Ratio]:
    """Each round is another tag, so that no layer of it is there yet."""
    times: dict[str, list[float]] = {"first": [], "again": [], "more": []}
    with GitServer(bench.root / "git") as server:
        repo = Repo.create(server.root / "env", {})
        git = Git((server.host,))
        store = Store(bench.root / "builds", bench.images, git)

        def ensure(tag: str) -> None:
            version = resolve_version(server.url("env"), tag, git=git)
            bench.made.append(store.ensure_image(version, say=quiet).name)

        for number in range(rounds):
            lines = [f"# {bench.mark} {number}", *bench.packages]
            push(repo, f"v{number}", lines)
            times["first"].append(timed(ensure, f"v{number}"))
            times["again"].append(timed(ensure, f"v{number}"))
            push(repo, f"more{number}", [*lines, bench.one_more])
            times["more"].append(timed(ensure, f"more{number}"))
    middle = {what: statistics.median(found) for what, found in times.items()}
    first = "first build of a tag, with its smoke run", middle["first"]
    yield Ratio("second build of the same tag", middle["again"], *first)
    yield Ratio(f"a tag with one more package ({bench.one_more})", middle["more"], *first)


def push(repo: Repo, tag: str, requirements: list[str]) -> None:
    repo.commit({"requirements.txt": "\n".join([*requirements, ""])})
    repo.git("tag", tag)
