"""What compiled bytecode is worth: every session is a new container, and would compile again."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.build.bench import Bench
from benchmarks.start import start_to_status
from benchmarks.timing import Ratio, compare

WITHOUT = "find /srv/env -name __pycache__ -prune -exec rm -rf {} +"


def ratios(bench: Bench, image: str, *, modules: str, rounds: int) -> Iterator[Ratio]:
    """Start of the server, and the first import of the packages, in new containers."""
    bare = bench.build("bare", f"RUN : {bench.mark}; {WITHOUT}", base=image)
    yield compare(
        "container start to /api/status, compiled bytecode",
        lambda _: start_to_status(bench.engine, image),
        "without",
        lambda _: start_to_status(bench.engine, bare),
        rounds=rounds,
    )
    yield compare(
        f"new container to import {modules}, compiled bytecode",
        lambda _: import_once(bench, image, modules),
        "without",
        lambda _: import_once(bench, bare, modules),
        rounds=rounds,
    )


def import_once(bench: Bench, image: str, modules: str) -> None:
    command = ["python", "-c", f"import {modules}"]
    bench.engine.containers.run(image, command, network_mode="none", remove=True)
