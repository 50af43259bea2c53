"""A Docker engine of a test's own, which may be killed: its network and its folder are its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker

from launcher.runtimes.docker import mounts

NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of linux/sched.h."""
OWN_NETWORK = Path("/proc/thread-self/ns/net")


@contextlib.contextmanager
def own_network() -> Iterator[None]:
    """This thread, and all threads and processes that it starts, are on a network of their own.

    Nothing leads out of it. Packet filter and bridges are its own, too; files are everybody's.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open(OWN_NETWORK, os.O_RDONLY)
    try:
        if libc.unshare(NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "no network of our own")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        yield
    finally:
        libc.setns(before, NEW_NETWORK)
        os.close(before)


@dataclass
class ScratchEngine:
    """`dockerd` with everything below one folder."""

    folder: Path
    process: subprocess.Popen | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.folder}/engine.sock"

    def client(self) -> docker.DockerClient:
        return docker.DockerClient(base_url=self.host, version="1.41")

    def start(self) -> None:
        """Start it, without waiting."""
        self.folder.mkdir(exist_ok=True)
        (self.folder / "daemon.json").write_text("{}")  # whatever this machine's says
        command = ["dockerd", "--config-file", f"{self.folder}/daemon.json", "-H", self.host]
        command += ["--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"]
        command += ["--pidfile", f"{self.folder}/pid"]
        name = f"scratch-{self.folder.name}"
        command += ["--containerd-namespace", name, "--containerd-plugins-namespace", f"{name}-p"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self, seconds: float = 180) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.answers():
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def answers(self) -> bool:
        """:raises OSError: nobody listens."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(f"{self.folder}/engine.sock")
            line.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in line.recv(64)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> None:
        """As `systemctl stop docker`: its containers end, too."""
        self.signal(signal.SIGTERM)
        self.process.wait(60)

    def copy(self, name: str) -> None:
        """Bring an image of this machine's engine."""
        with (
            contextlib.closing(docker.from_env()) as there,
            contextlib.closing(self.client()) as here,
        ):
            here.images.load(there.images.get(name).save(named=name, chunk_size=2**22))

    def remove(self) -> None:
        """End it, and leave nothing of it."""
        if self.process.poll() is None:
            with contextlib.closing(self.client()) as client:
                for one in client.containers.list(all=True, ignore_removed=True):
                    with contextlib.suppress(docker.errors.APIError):  # it goes by itself
                        one.remove(force=True)
            self.stop()
        unmount_below(self.folder)
        shutil.rmtree(self.folder)


def unmount_below(folder: Path) -> None:
    """What somebody who was killed has left mounted there; the folder could not be removed."""
    for place in reversed(mounts.mount_points()):
        if place.startswith(f"{folder.resolve()}/"):
            mounts.unmount(Path(place))
