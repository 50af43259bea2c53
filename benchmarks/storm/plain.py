"""The limit: `plain.py IMAGE N`, as many plain `docker run`, until each server answers.

In a process of its own. Nothing of the launcher is in the way, and nothing is isolated either.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import docker
import requests

LONGEST = 300.0
"""Seconds for one server."""


def start(image: str, mark: str, together: Barrier) -> dict[str, float]:
    """Seconds to the first answer, and the container's CPU by then."""
    together.wait()
    began = time.perf_counter()
    command = ["docker", "run", "--detach", "--label", mark, "--env", "JUPYTER_TOKEN=t", image]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    engine = docker.from_env()
    try:
        found = engine.api.inspect_container(made)["NetworkSettings"]["Networks"]["bridge"]
        wait_for(f"http://{found['IPAddress']}:8888/api/status", began + LONGEST)
        seconds = time.perf_counter() - began
        stats = engine.api.stats(made, stream=False, one_shot=True)
        return {"usable": seconds, "cpu": stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9}
    finally:
        engine.close()


def wait_for(url: str, deadline: float) -> None:
    pause = 0.02
    with requests.Session() as http:
        http.trust_env = False
        while time.perf_counter() < deadline:
            try:
                if http.get(url, headers={"Authorization": "token t"}, timeout=5).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(pause)
            pause = min(pause * 1.3, 0.25)
    raise TimeoutError(url)


def storm(image: str, count: int) -> list[dict[str, float]]:
    """As many at once; the containers are removed."""
    mark = f"launcher.bench={uuid.uuid4().hex}"
    together = Barrier(count)
    try:
        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(lambda _: start(image, mark, together), range(count)))
    finally:
        remove(mark)


def remove(mark: str) -> None:
    """Remove every container with this label."""
    engine = docker.from_env(timeout=300)
    found = engine.api.containers(all=True, filters={"label": mark})

    def gone(row: dict[str, Any]) -> None:
        with contextlib.suppress(docker.errors.APIError):  # it goes by itself meanwhile
            engine.api.remove_container(row["Id"], force=True, v=True)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(gone, found))
    engine.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.storm.plain", description=__doc__)
    parser.add_argument("image")
    parser.add_argument("count", type=int)
    args = parser.parse_args()
    print(json.dumps(storm(args.image, args.count)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
