"""What the comparisons build with: an engine and its base; images and caches go at the end."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from docker.errors import ImageNotFound

from launcher.config import load_config
from launcher.runtimes.docker import create, leftovers
from launcher.runtimes.docker.context import context_of
from launcher.runtimes.docker.images import DockerImages


@dataclass
class Bench:
    """One run of the benchmark."""

    root: Path
    images: DockerImages
    base: str
    """The image that everything is built on: Python, uv, pip and the server, compiled."""
    packages: tuple[str, ...]
    one_more: str
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    made: list[str] = field(default_factory=list)
    """Names of images to remove."""

    @property
    def engine(self) -> docker.DockerClient:
        return self.images.client

    def build(self, name: str, *lines: str, base: str = "") -> str:
        """An image of a few lines, which the engine has never seen; its name."""
        image = f"launcher-bench/{self.mark}:{name}"
        self.remove(image)  # of the round before; takes no time worth counting
        fresh = f"ENV BENCH={uuid.uuid4().hex}"  # else the engine takes the layer of the last time
        text = "\n".join([f"FROM {base or self.base}", fresh, *lines, ""])
        with tempfile.TemporaryDirectory() as folder, context_of(Path(folder), text) as context:
            self.images.engine.build(context, tag=image, labels={}, say=quiet)
        self.made.append(image)
        return image

    def remove(self, image: str) -> None:
        with suppress(ImageNotFound):
            self.engine.images.remove(image, force=True)

    def megabytes(self, image: str) -> float:
        return float(self.engine.images.get(image).attrs["Size"] / 1e6)

    def step(self, command: str, *, cache: str, target: str) -> str:
        """A RUN line with a cache of this run's own, for uid 1000, who builds environments."""
        mount = f"--mount=type=cache,id={self.mark}-{cache},target={target},uid=1000,gid=1000"
        return f"RUN {mount} : {self.mark}; {command}"

    def tidy(self, *, caches: bool = False) -> None:
        """Prune the layers of this run's images, and the caches of its steps."""
        for row in cache_of(self.engine):
            if self.mark in row["Description"] and (caches or row["Type"] == "regular"):
                forget(self.engine, row)


@contextmanager
def bench(root: Path, packages: tuple[str, ...], one_more: str) -> Iterator[Bench]:
    """On the engine of this machine."""
    config = load_config(data=str(root / "data"), runtime="docker")
    images = create(config, "bench").images
    running = Bench(root, images, images.bases.ensure("3.11", say=print).name, packages, one_more)
    try:
        yield running
    finally:
        for name in reversed(running.made):
            running.remove(name)
        running.tidy(caches=True)
        images.client.close()


@contextmanager
def alone(engine: docker.DockerClient) -> Iterator[None]:
    """Prune what was added to the build cache, by whomever: nobody else builds meanwhile."""

    before = {row["ID"] for row in cache_of(engine)}
    try:
        yield
    finally:
        for row in cache_of(engine):
            if row["ID"] not in before:
                forget(engine, row)


def cache_of(engine: docker.DockerClient) -> list[dict[str, Any]]:
    """The records of the engine's build cache."""
    return list(leftovers.disk_usage(engine)["BuildCache"] or [])


def forget(engine: docker.DockerClient, row: Mapping[str, Any]) -> None:
    """Prune one record, unless it is in use; the engine's filters take one id only."""
    if not row["InUse"]:
        engine.api.prune_builds(filters={"id": [row["ID"]]}, all=True)


def timed(work: Any, *args: Any) -> float:
    started = time.perf_counter()
    work(*args)
    return time.perf_counter() - started


def quiet(line: str) -> None:
    """Takes the lines of a build log."""
