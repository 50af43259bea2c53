"""Print how a class fares here and at a hub with DockerSpawner and nbgitpuller, side by side.

Needs a Docker engine, npm, and root (the hub's containers read the content from a folder).
Nothing of it stays; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import docker

from benchmarks.peer.hub import REPOSITORIES, kit
from benchmarks.storm.__main__ import FILE, PARTS, Storm, program
from benchmarks.storm.report import HEAD, Row
from launcher.demo.git_server import GitServer
from launcher.demo.samples import make_samples, sample_link


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.peer", description=__doc__)
    parser.add_argument("--students", type=int, nargs="+", default=[1, 10, 40])
    parser.add_argument("--only", nargs="+", choices=("warm", "cold"), default=["warm", "cold"])
    args = parser.parse_args()
    try:
        engine = docker.from_env(timeout=600)
        engine.ping()
    except Exception as error:  # whatever it is, it is said
        print(f"no Docker engine: {error}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what it began is tidied up all the same
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-peer-") as folder:
        compare(Path(folder), engine, args)
    print(f"in {time.monotonic() - began:.0f} s")
    return 0


def compare(root: Path, engine: docker.DockerClient, args: argparse.Namespace) -> None:
    """Each number of students at the hub, then here."""
    root.chmod(0o755)  # the hub's containers read below it
    for folder in ("git", "theirs"):
        make_samples(root / folder)
    subprocess.run(["chown", "-R", "1000:1000", "--", str(root / "theirs")], check=True)
    with GitServer(root / "git") as git:
        ours = Storm(root, engine, args)
        ours.serve_from(git.host, sample_link(f"http://{git.host}"))
        with kit(root, ours.image()) as theirs:
            print(HEAD)
            for count in args.students:
                with theirs.serving(root / "theirs") as hub:
                    before = hub.cpu()
                    words = (hub.url, f"file://{REPOSITORIES}/intro", FILE, str(count))
                    said = program("benchmarks.peer.clicks", *words)
                    own = (hub.cpu() - before) / count
                failed = [one["error"] for one in said if one["error"]]
                times = tuple(one["usable"] for one in said if not one["error"])
                peer = Row(f"a hub, {count}", times, len(failed), own)
                print(peer, *sorted(set(failed))[:3], sep="\n  ", flush=True)
                for part in args.only:
                    ours.one(part, count)
                    p50 = ours.rows[f"{part} {count}"].p50
                    print(f"  {PARTS[part]}, against the hub: {p50 / peer.p50:.2f}")


if __name__ == "__main__":
    sys.exit(main())
