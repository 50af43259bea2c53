"""A JupyterHub of its own, from packages, in a folder that goes away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import docker
import requests
import uv

from benchmarks.storm.plain import remove
from benchmarks.storm.server import children, seconds_of, stop
from launcher.machine.ports import free_port

PACKAGES = ("jupyterhub>=5,<7", "dockerspawner>=13,<15")
PROXY = "configurable-http-proxy@5"
IMAGE = """FROM {base}
RUN uv pip install --quiet --no-cache --compile-bytecode jupyterhub=={hub} nbgitpuller
CMD ["jupyterhub-singleuser"]
"""
REPOSITORIES = "/srv/content"
CONFIG = """
c.JupyterHub.bind_url = {url!r}
c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.hub_connect_ip = {host!r}
c.JupyterHub.db_url = "sqlite:///{root}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{root}/cookie"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.cleanup_servers = True
c.JupyterHub.log_level = "ERROR"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.pid_file = "{root}/proxy.pid"
c.JupyterHub.spawner_class = "docker"
c.DockerSpawner.image = {image!r}
c.DockerSpawner.name_template = {prefix!r} + "-{{username}}"
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.network_name = "bridge"
c.DockerSpawner.remove = True
c.DockerSpawner.extra_create_kwargs = {{"labels": {labels!r}}}
c.DockerSpawner.volumes = {{{repositories!r}: {{"bind": {place!r}, "mode": "ro"}}}}
c.Spawner.mem_limit = "1G"
c.Spawner.cpu_limit = 1.0
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
"""


@dataclass(frozen=True)
class Hub:
    """A hub that serves."""

    url: str
    process: subprocess.Popen[bytes]

    def cpu(self) -> float:
        """Seconds that the hub and its proxy took so far."""
        return sum(seconds_of(pid) for pid in [self.process.pid, *children(self.process.pid)])


@dataclass(frozen=True)
class Kit:
    """The hub's programs, and an image as near as possible to a session's."""

    root: Path
    image: str

    @contextmanager
    def serving(self, repositories: Path) -> Iterator[Hub]:
        """Serve; every container and process is gone at the end."""
        port, prefix = free_port(), f"peer-{uuid.uuid4().hex[:6]}"
        url, mark = f"http://127.0.0.1:{port}/", {"launcher.bench": prefix}
        folder = self.root / prefix
        folder.mkdir()
        engine = docker.from_env()
        host = engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"]
        engine.close()
        text = CONFIG.format(
            url=url, hub_port=free_port(), api_port=free_port(), host=host, root=folder,
            proxy=str(self.root / "node_modules/.bin/configurable-http-proxy"),
            image=self.image, prefix=prefix, labels=mark,
            repositories=str(repositories), place=REPOSITORIES,
        )  # fmt: skip
        (folder / "config.py").write_text(text)
        program = self.root / "venv/bin/jupyterhub"
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(program), "--config", str(folder / "config.py")],
                cwd=folder,
                env={**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"},
                stdout=log,
                stderr=log,
            )
        try:
            wait_until_served(url, process, folder / "log")
            yield Hub(url, process)
        finally:
            stop(process)
            remove(f"launcher.bench={prefix}")


@contextmanager
def kit(root: Path, base: str) -> Iterator[Kit]:
    """Install the programs and build the image, which is removed at the end."""
    tool, python = uv.find_uv_bin(), root / "venv/bin/python"
    run(tool, "venv", "--quiet", "--python", sys.executable, str(root / "venv"))
    run(tool, "pip", "install", "--quiet", "--python", str(python), *PACKAGES)
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed; the hub's proxy comes from it.")
    run(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(root), PROXY)
    version = run(str(python), "-c", "import jupyterhub; print(jupyterhub.__version__)").strip()
    name, folder = f"launcher-bench/peer:{uuid.uuid4().hex[:8]}", root / "image"
    folder.mkdir()
    (folder / "Dockerfile").write_text(IMAGE.format(base=base, hub=version))
    engine = docker.from_env(timeout=600)
    engine.images.build(path=str(folder), tag=name, rm=True)
    try:
        yield Kit(root, name)
    finally:
        engine.images.remove(name)
        engine.close()


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def wait_until_served(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    with requests.Session() as http:
        http.trust_env = False
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(requests.RequestException):
                if http.get(f"{url}hub/health", timeout=2).ok:
                    return
            time.sleep(0.1)
    raise RuntimeError(f"the hub does not serve: {log.read_text()[-2000:]}")
