"""A launcher as a site runs it: processes of its own, settings from a file, sessions on Docker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import requests
import yaml

from benchmarks.storm.plain import remove
from launcher.config import load_config
from launcher.machine.ports import free_port
from launcher.people import identity

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A launcher that serves."""

    url: str
    root: Path
    process: subprocess.Popen[bytes]
    engine: docker.DockerClient
    mark: str
    """The label of its containers."""

    def cpu(self) -> float:
        """Seconds that the app, the gateway and the programs that they ran took so far."""
        pids = [self.process.pid, *children(self.process.pid)]
        return sum(seconds_of(pid) for pid in pids)

    def sessions(self) -> list[dict[str, float]]:
        """CPU seconds and megabytes of each session."""
        rows = self.engine.api.containers(filters={"label": self.mark})

        def look(row: dict[str, Any]) -> Any:  # one second each: older engines look twice
            return self.engine.api.stats(row["Id"], stream=False, one_shot=True)

        with ThreadPoolExecutor(max(1, len(rows))) as together:
            found = list(together.map(look, rows))
        return [
            {
                "cpu": one["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9,
                "memory": (one["memory_stats"]["usage"] - inactive(one["memory_stats"])) / 1e6,
            }
            for one in found
        ]

    def images(self) -> list[str]:
        rows = self.engine.api.containers(filters={"label": self.mark})
        return [str(row["Labels"]["launcher.image"]) for row in rows]

    def wait_for_sessions(self, count: int, timeout: float = 240.0) -> None:
        """Return when so many run, all of them at rest: their servers have started.

        :raises TimeoutError: there are not so many in time.
        """
        deadline = time.monotonic() + timeout
        before: list[dict[str, float]] = []
        while time.monotonic() < deadline:
            now = self.sessions()
            moved = sum(one["cpu"] for one in now) - sum(one["cpu"] for one in before)
            if len(now) == len(before) >= count and moved < 0.02 * count + 0.02:
                return
            before = now
            time.sleep(1.0)
        raise TimeoutError(f"{len(before)} of {count} sessions run")


def inactive(memory: dict[str, Any]) -> int:
    """Bytes of cached files that could go, as `docker stats` counts."""
    stats = memory.get("stats", {})
    return int(stats.get("total_inactive_file", stats.get("inactive_file", 0)))


def children(pid: int) -> list[int]:
    """Processes that this one started and that still run."""
    direct = list[int]()
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            direct += [int(word) for word in (task / "children").read_text().split()]
    except OSError:  # it ended; who started it counts it
        return direct
    return direct + [one for child in direct for one in children(child)]


def seconds_of(pid: int) -> float:
    """CPU of a process and of its children that ended."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(word) for word in words[11:15]) / TICKS


@contextmanager
def serving(root: Path, settings: dict[str, Any]) -> Iterator[Server]:
    """Serve with these settings; the sessions are removed at the end, the data stays."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    fixed = {
        "data": str(root / "data"),
        "listen": f"127.0.0.1:{port}",
        "public_url": url,
        "runtime": "docker",
        "log": {"level": "error"},
    }
    file = root / "settings.yml"
    file.write_text(yaml.safe_dump(settings | fixed))
    config = load_config(file)
    config.data.mkdir(mode=0o700, exist_ok=True)
    mark = (
        f"launcher.instance={identity.instance_of(identity.load_secret(config.data), config.data)}"
    )
    command = [sys.executable, "-m", "launcher", "--settings", str(file), "serve"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    engine = docker.from_env(timeout=300)
    try:
        wait_until_served(url, process)
        yield Server(url, root, process, engine, mark)
    finally:
        stop(process)
        remove(mark)
        unmount(root)
        engine.close()


def unmount(root: Path) -> None:
    """Detach the students' folders of sessions that were removed without the launcher."""
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for place in sorted((one for one in places if one.startswith(f"{root}/")), reverse=True):
        subprocess.run(["umount", "--lazy", "--", place], check=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the launcher, and what it started where it does not end in time."""
    started = children(process.pid)
    process.terminate()
    try:
        process.wait(90)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def wait_until_served(url: str, process: subprocess.Popen[bytes]) -> None:
    """:raises RuntimeError: it ended; TimeoutError: it does not answer."""
    deadline = time.monotonic() + 180
    with requests.Session() as http:
        http.trust_env = False
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise RuntimeError(f"the launcher ended with {process.returncode}")
            try:
                if http.get(f"{url}/healthz", timeout=2).ok:
                    return
            except requests.RequestException:
                pass
            time.sleep(0.05)
    raise TimeoutError("the launcher does not answer")
