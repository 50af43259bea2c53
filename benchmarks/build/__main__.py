"""Print the ratios, and the sizes of the images; exit code 1 without a Docker engine."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import docker

from benchmarks.build import again, packages, starts
from benchmarks.build.bench import Bench, alone, bench

PACKAGES = ("numpy", "pandas", "matplotlib")
MODULES = "numpy, pandas, matplotlib.pyplot"
ONE_MORE = "seaborn"


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.build", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each build; default: 3")
    parser.add_argument("--starts", type=int, default=5, help="of each container; default: 5")
    args = parser.parse_args()
    try:
        engine = docker.from_env()
        engine.ping()
    except Exception as error:  # whatever it is, it is said
        print(f"no Docker engine: {error}", file=sys.stderr)
        return 1
    with (
        alone(engine),
        tempfile.TemporaryDirectory(prefix="bench-build-") as folder,
        bench(Path(folder), PACKAGES, ONE_MORE) as running,
    ):
        show(running, MODULES, rounds=args.rounds, starts_rounds=args.starts)
    return 0


def show(running: Bench, modules: str, *, rounds: int, starts_rounds: int) -> None:
    for ratio in packages.ratios(running, rounds=rounds):
        print(ratio, flush=True)
        running.tidy()
    for ratio in again.ratios(running, rounds=rounds):
        print(ratio, flush=True)
    uv, pip = (f"launcher-bench/{running.mark}:{name}" for name in ("uv", "pip"))
    for ratio in starts.ratios(running, uv, modules=modules, rounds=starts_rounds):
        print(ratio, flush=True)
    plain = running.build("plain", f"RUN uv pip install --no-cache {' '.join(running.packages)}")
    for what, image in (
        ("base", running.base),
        ("by uv, compiled", uv),
        ("by uv, not compiled", plain),
        ("by pip, compiled", pip),
    ):
        print(f"image size, {what}: {running.megabytes(image):.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
