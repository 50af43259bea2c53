"""What killed builds left on the engine, and the caches of builds."""

from __future__ import annotations

import contextlib
import time
from datetime import datetime

import docker
from docker.errors import DockerException

from launcher.runtimes.docker import buildkit
from launcher.runtimes.docker.commit import CACHE_LABEL, CONTAINER

Row = tuple[str, str, int]


def sweep(client: docker.DockerClient, *, older: float, cache: int, dry_run: bool) -> list[Row]:
    """As `envs.builder.Builder.sweep`; what something uses, the engine keeps."""
    found: list[Row] = []
    for container in client.containers.list(all=True, filters={"name": f"^/{CONTAINER}"}):
        if age(container.attrs["Created"]) > older:
            found.append(("container", str(container.name), 0))
            if not dry_run:
                with contextlib.suppress(DockerException):
                    container.remove(force=True)
    for image in client.images.list("launcher-build/*"):
        if age(image.attrs["Created"]) > older:
            found.append(("leftover", image.tags[0], int(image.attrs["Size"])))
            if not dry_run:
                with contextlib.suppress(DockerException):
                    client.images.remove(image.tags[0])
    return found + caches(client, keep=cache, dry_run=dry_run)


def caches(client: docker.DockerClient, *, keep: int, dry_run: bool) -> list[Row]:
    """The caches of builds, where they are larger than what is to stay."""
    usage = client.df()
    cached = sum(int(one["Size"]) for one in usage.get("BuildCache") or () if not one["Shared"])
    found: list[Row] = []
    if cached > keep:
        freed = cached - keep if dry_run else buildkit.prune(client, keep)
        found.append(("build cache", "BuildKit", freed))
    volumes = [
        one for one in usage.get("Volumes") or () if CACHE_LABEL in (one.get("Labels") or {})
    ]
    if sum(max(int(one["UsageData"]["Size"]), 0) for one in volumes) > keep:
        for one in volumes:
            found.append(("package cache", one["Name"], int(one["UsageData"]["Size"])))
            if not dry_run:
                with contextlib.suppress(DockerException):
                    client.volumes.get(one["Name"]).remove()
    return found


def age(created: str) -> float:
    """Seconds since then; the engine writes nanoseconds, which Python does not read."""
    return time.time() - datetime.fromisoformat(f"{created[:19]}+00:00").timestamp()
