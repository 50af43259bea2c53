"""What killed builds left on the engine, and the caches of builds."""

from __future__ import annotations

import contextlib
import logging
import time
from datetime import datetime
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.images import Image

from launcher.runtimes.docker import buildkit
from launcher.runtimes.docker.commit import CACHE_LABEL
from launcher.runtimes.docker.limits import CONTAINER

log = logging.getLogger(__name__)
IMAGES = "launcher-build/"
"""How the names of images under construction begin."""
Row = tuple[str, str, int]


def sweep(client: docker.DockerClient, *, older: float, cache: int, dry_run: bool) -> list[Row]:
    """As `envs.builder.Builder.sweep`; what something uses, the engine keeps."""
    found: list[Row] = []
    for container in client.containers.list(
        all=True, filters={"name": f"^/{CONTAINER}"}, ignore_removed=True
    ):
        if age(container.attrs["Created"]) > older:
            with contextlib.suppress(DockerException):
                if not dry_run:
                    container.remove(force=True)
                found.append(("container", str(container.name), 0))
    for row in client.api.images(f"{IMAGES}*"):
        try:
            image = client.images.get(row["Id"])
        except ImageNotFound:  # its build has just ended
            continue
        # An image of cached steps may have good names as well.
        for tag in image.tags if age(tagged(image)) > older else ():
            with contextlib.suppress(DockerException):
                if tag.startswith(IMAGES):
                    if not dry_run:
                        client.images.remove(tag)
                    found.append(("leftover", tag, int(image.attrs["Size"])))
    try:
        return found + caches(client, keep=cache, dry_run=dry_run)
    except (DockerException, OSError) as error:
        log.warning("the caches of builds stay: %s", error)
        return found


def empty_cache(client: docker.DockerClient) -> None:
    """Remove all steps of builds that the engine keeps, as far as it can."""
    try:
        buildkit.prune(client, 0)
    except (DockerException, OSError) as error:
        log.warning("the caches of builds stay: %s", error)


def caches(client: docker.DockerClient, *, keep: int, dry_run: bool) -> list[Row]:
    """The caches of builds, where they are larger than what is to stay."""
    usage = disk_usage(client)
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


def disk_usage(client: docker.DockerClient, *, every: float = 1.0) -> dict[str, Any]:
    """What takes how much of the engine's disk; engines before 23 tell one who asks at a time."""
    for _ in range(60):
        try:
            return buildkit.usage(client)
        except APIError as error:
            if "already running" not in str(error):
                raise
            time.sleep(every)
    return buildkit.usage(client)


def tagged(image: Image) -> str:
    """When it got its name: an image of cached steps is as old as those."""
    named = str(image.attrs.get("Metadata", {}).get("LastTagTime", ""))
    return max(named, str(image.attrs["Created"]))


def age(created: str) -> float:
    """Seconds since then; the engine writes nanoseconds, which Python does not read."""
    return time.time() - datetime.fromisoformat(f"{created[:19]}+00:00").timestamp()
