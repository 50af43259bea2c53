"""Print how a class fares that clicks at once: warm, cold, with a full box, and plain containers.

Exit code 1 without a Docker engine. Loopback only; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import docker

from benchmarks.storm.report import HEAD, Row, plain_row, row_of, targets
from benchmarks.storm.server import Server, serving
from launcher.demo.git_server import GitServer
from launcher.demo.samples import make_samples, sample_link
from link_generator.link import Link, compose_link

FILE = "intro/week1.ipynb"
ORDINARY = """FROM {base}
RUN uv venv --quiet --seed --python /usr/bin/python3 /home/jovyan/ordinary \
 && /home/jovyan/ordinary/bin/pip install --quiet --no-cache-dir jupyterlab notebook
ENV PATH=/home/jovyan/ordinary/bin:/usr/bin:/bin
CMD ["jupyter-lab", "--ip=0.0.0.0", "--no-browser"]
"""
LARGEST_ORDINARY = 40
"""More than so many would only take longer."""
PARTS = {
    "warm": "a click, pool warm",
    "cold": "a click, pool empty",
    "plain": "docker run, same image",
    "ordinary": "docker run, ordinary image",
    "full": "a click, box full",
}
SETTINGS: dict[str, Any] = {
    "capacity": {"reserve": "128M"},
    "docker": {"network": "launcher-storm"},
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.storm", description=__doc__)
    parser.add_argument("--students", type=int, nargs="+", default=[1, 10, 40, 100])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--kernels", action="store_true", help="each student starts a kernel, too")
    parser.add_argument("--room", type=int, default=40, help="places in the full box")
    args = parser.parse_args()
    try:
        engine = docker.from_env(timeout=600)
        engine.ping()
    except Exception as error:  # whatever it is, it is said
        print(f"no Docker engine: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it began is tidied up all the same
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-storm-") as folder:
        Storm(Path(folder), engine, args).run()
    print(f"in {time.monotonic() - began:.0f} s")
    return 0


class Storm:
    """One run; rows by kind and number."""

    def __init__(self, root: Path, engine: docker.DockerClient, args: argparse.Namespace) -> None:
        self.root, self.engine, self.args = root, engine, args
        self.kernels = getattr(args, "kernels", False)
        self.rows: dict[str, Row] = {}

    def run(self) -> None:
        make_samples(self.root / "git")
        with GitServer(self.root / "git") as git:
            self.serve_from(git.host, sample_link(f"http://{git.host}"))
            image = self.image()
            print(HEAD)
            self.compare(image)
        for line in targets(self.rows):
            print(line)

    def serve_from(self, host: str, link: Link) -> None:
        """The git server that the link names."""
        self.settings = {**SETTINGS, "git": {"hosts": [host]}}
        self.link = link

    def image(self) -> str:
        """The link's image; the first click builds it, and fetches the content."""
        with serving(self.root, self.without_pool()) as server:
            self.clicks(server, 1)
            (image,) = server.images()
        return image

    def compare(self, image: str) -> None:
        """What is compared stands side by side in time, so that other work meets all alike."""
        ordinary = self.ordinary_image(image) if "ordinary" in self.args.only else ""
        try:
            for count in self.args.students:
                for part in self.args.only:
                    if part == "plain":
                        self.containers(part, image, count)
                    elif part == "ordinary" and count <= LARGEST_ORDINARY:
                        self.containers(part, ordinary, count)
                    elif part in ("cold", "warm"):
                        self.one(part, count)
            if "full" in self.args.only and max(self.args.students) > self.args.room:
                self.full(max(self.args.students), self.args.room)
        finally:
            if ordinary:
                self.engine.images.remove(ordinary)

    def one(self, part: str, count: int) -> None:
        """A class of new students here, with as many sessions ready or none."""
        settings = self.with_pool(count) if part == "warm" else self.without_pool()
        with serving(self.root, settings) as server:
            if part == "warm":
                server.wait_for_sessions(count)
            self.storm(server, part, count)

    def full(self, students: int, room: int) -> None:
        """More students than places: the others wait in line and are served as places free."""
        settings = self.without_pool()
        settings["capacity"] = {**settings["capacity"], "sessions": room}
        with serving(self.root, settings) as server:
            said = self.storm(server, "full", students, room=room)
        waited = [one for one in said["clicks"] if one["places"]]
        served = sum(not one["error"] for one in said["clicks"])
        numbers = sorted(int(one["places"][0].split()[3]) for one in waited)
        print(
            f"  room for {room}: {students - len(waited)} at once, {len(waited)} in line, told "
            f"places {numbers[:1]} to {numbers[-1:]}; {served} of {students} served"
        )

    def ordinary_image(self, image: str) -> str:
        """jupyterlab and notebook as pip installs them, on the same Python and Debian."""
        name, folder = "launcher-bench/ordinary:storm", self.root / "image"
        folder.mkdir()
        (folder / "Dockerfile").write_text(ORDINARY.format(base=image))
        self.engine.images.build(path=str(folder), tag=name, rm=True, nocache=True)
        return name

    def containers(self, part: str, image: str, count: int) -> None:
        said = program("benchmarks.storm.plain", image, str(count))
        self.tell(f"{part} {count}", plain_row(f"{PARTS[part]}, {count}", said))

    def storm(self, server: Server, part: str, count: int, *, room: int = 0) -> dict[str, Any]:
        before = server.cpu()
        said = self.clicks(server, count, room=room)
        own = server.cpu() - before
        sessions = [] if room else server.sessions()  # those of a full box have been stopped
        self.tell(f"{part} {count}", row_of(f"{PARTS[part]}, {count}", said, own, sessions))
        for error in sorted({one["error"] for one in said["clicks"] if one["error"]})[:3]:
            print(f"  {error}")
        if self.kernels:
            kernels = Row("", tuple(one["kernel"] for one in said["clicks"] if one["kernel"]), 0)
            print(f"  a kernel after {kernels.p50:.2f} s more, p95 {kernels.p95:.2f}")
        return said

    def clicks(self, server: Server, count: int, *, room: int = 0) -> dict[str, Any]:
        link = compose_link(self.link, server.url)
        words = ["--room", str(room)] + (["--kernels"] if self.kernels else [])
        found: dict[str, Any] = program("benchmarks.storm.clicks", link, FILE, str(count), *words)
        return found

    def tell(self, name: str, row: Row) -> None:
        self.rows[name] = row
        print(row, flush=True)

    def without_pool(self) -> dict[str, Any]:
        return {**self.settings, "pool": {"most": 0}}

    def with_pool(self, count: int) -> dict[str, Any]:
        return {
            **self.settings,
            "pool": {"most": count, "demand": "0s", "at_once": 4},
            "environments": {"catalogue": {"intro": entry(self.link, count)}},
        }


def entry(link: Link, count: int) -> dict[str, Any]:
    return {"repo": link.env, "tag": link.tag, "title": "Intro", "warm": count}


def program(module: str, *words: str) -> Any:
    """What a program of the benchmark prints, as JSON."""
    command = [sys.executable, "-m", module, *words]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


if __name__ == "__main__":
    sys.exit(main())
