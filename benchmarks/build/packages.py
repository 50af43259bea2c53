"""uv against pip: an image of the same requirements, both with compiled bytecode."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from benchmarks.build.bench import Bench
from benchmarks.timing import Ratio, compare

UV = "uv pip install --quiet --compile-bytecode --link-mode=copy"
PIP = "/srv/env/bin/python -m pip --quiet --disable-pip-version-check"


def by_uv(bench: Bench, cache: str, *packages: str) -> str:
    words = shlex.join(packages or bench.packages)
    return bench.step(f"{UV} {words}", cache=cache, target="/tmp/uv-cache")


def by_pip(bench: Bench, cache: str, *packages: str) -> str:
    words = shlex.join(packages or bench.packages)
    return bench.step(f"{PIP} install --cache-dir=/tmp/pip {words}", cache=cache, target="/tmp/pip")


def by_pip_from_wheels(bench: Bench) -> str:
    words = shlex.join(bench.packages)
    command = f"{PIP} install --no-index --find-links=/tmp/wheels {words}"
    return bench.step(command, cache="wheels", target="/tmp/wheels")


def ratios(bench: Bench, *, rounds: int) -> Iterator[Ratio]:
    """Nothing cached; everything cached; and pip at its best, with all wheels on this machine."""
    what = f"build with {' '.join(bench.packages)}"
    yield compare(
        f"{what}, by uv, cold cache",
        lambda n: bench.build("uv", by_uv(bench, f"uv{n}")),
        "by pip, cold cache",
        lambda n: bench.build("pip", by_pip(bench, f"pip{n}")),
        rounds=rounds,
    )
    yield compare(
        f"{what}, by uv, warm cache",
        lambda n: bench.build("uv", by_uv(bench, f"uv{n}")),
        "by pip, warm cache",
        lambda n: bench.build("pip", by_pip(bench, f"pip{n}")),
        rounds=rounds,
    )
    download = f"{PIP} wheel --no-cache-dir --wheel-dir=/tmp/wheels {shlex.join(bench.packages)}"
    bench.build("wheels", bench.step(download, cache="wheels", target="/tmp/wheels"))
    yield compare(
        f"{what}, by uv, warm cache",
        lambda n: bench.build("uv", by_uv(bench, f"uv{n}")),
        "by pip, from wheels in a folder",
        lambda n: bench.build("pip", by_pip_from_wheels(bench)),
        rounds=rounds,
    )
    yield compare(
        f"one more package ({bench.one_more}), by uv, warm cache",
        lambda n: bench.build("more", by_uv(bench, f"uv{n}", *bench.packages, bench.one_more)),
        "by pip, warm cache",
        lambda n: bench.build("more", by_pip(bench, f"pip{n}", *bench.packages, bench.one_more)),
        rounds=rounds,
    )
