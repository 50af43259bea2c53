"""What a killed build left on a real engine goes, and what something uses stays."""

from __future__ import annotations

import contextlib
import time
import uuid

import docker
import pytest

from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker import leftovers

pytestmark = pytest.mark.docker
ALL = 1 << 50
"""Bytes of caches that may stay: other tests use them."""


@pytest.fixture(scope="module")
def base(data_root):
    images = RUNTIMES["docker"](
        load_config(data=str(data_root / "leftovers"), runtime="docker"), "leftovers"
    ).images
    yield images.bases.ensure("3.11", say=print).name
    images.client.close()


def test_leftovers_of_killed_builds_go(base, monkeypatch):
    mark = uuid.uuid4().hex[:8]
    monkeypatch.setattr(leftovers, "CONTAINER", f"leftover-{mark}-")
    monkeypatch.setattr(leftovers, "IMAGES", f"leftover-{mark}/")
    with contextlib.closing(docker.from_env()) as client:
        client.images.get(base).tag(f"leftover-{mark}/a", tag="new")
        check = client.containers.create(base, "true", name=f"leftover-{mark}-check")
        check.commit(f"leftover-{mark}/b", "new")
        used = client.containers.create(f"leftover-{mark}/b:new", "true")
        try:
            time.sleep(1.1)
            seen = leftovers.sweep(client, older=0, cache=ALL, dry_run=True)
            assert len(seen) == 3
            gone = leftovers.sweep(client, older=0, cache=ALL, dry_run=False)
            assert [row[:2] for row in gone] == [
                ("container", f"leftover-{mark}-check"),
                ("leftover", f"leftover-{mark}/a:new"),
            ]
            assert client.images.get(base), "the same image under a good name stays"
            young = leftovers.sweep(client, older=3600, cache=ALL, dry_run=False)
            assert young == [], "a tag of a minute ago may be a build's, however old its layers are"
            assert client.images.get(f"leftover-{mark}/b:new")
        finally:
            used.remove(force=True)
            client.images.remove(f"leftover-{mark}/b:new")
