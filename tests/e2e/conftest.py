"""A launcher that serves for real, a teacher's repositories, and a student's browser."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest
import requests
import yaml

from launcher.demo.samples import week_1
from launcher.machine.ports import free_port
from tests.e2e.scratch_engine import unmount_below
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for

if TYPE_CHECKING:
    from docker.models.networks import Network
    from playwright.sync_api import Browser

ARTEFACTS = Path(__file__).parent.parent.parent / "artefacts"
NODE = Path(__file__).parent.parent / "node"
NPM = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=5"]
CHROMIUM = Path(__file__).with_name("chromium.py")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]


START = 180.0
"""Seconds that a launcher may take to start."""
WITHOUT_LAB = {"base": {"server": ["jupyter-server>=2,<3", "ipykernel>=6.29"]}}
"""A setting for tests that open no page of JupyterLab, which is most of what a build installs."""
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@dataclass
class Box:
    """One machine with a launcher, as an administrator would run it."""

    data: Path
    settings: Path
    git: GitServer
    content: Repo
    env: Repo
    runtime: str
    process: subprocess.Popen | None = None
    url: str = ""

    def start(self):
        """Run `launcher serve` until it answers."""
        self.log = self.data.with_suffix(".log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "launcher", "serve", "--settings", str(self.settings), "--json"],
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        try:
            self.url = json.loads(self.said())["url"]
        except BaseException:
            self.end_processes()
            raise
        return self

    def said(self):
        """What it prints once it serves. A pipe: its gateway holds the other end, too."""
        said, deadline = b"", time.monotonic() + START
        while b"}" not in said:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self.process.stdout], [], [], left)
            more = ready and os.read(self.process.stdout.fileno(), 1 << 16)
            assert more, self.log_text()
            said += more
        return said

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(120)
        self.process.stdout.close()
        self.log.close()
        return code

    @contextlib.contextmanager
    def running(self, log=""):
        """Started for the block, and ended after it whatever happened."""
        self.start()
        try:
            yield self
        finally:
            self.end(log)

    def end(self, log=""):
        """No session, launcher or gateway goes on, whatever fails; the log is kept as `log`."""
        try:
            self.cli("session", "stop", "all")
        finally:
            self.end_processes()
            self.git.stop()
            if log:
                ARTEFACTS.mkdir(exist_ok=True)
                (ARTEFACTS / f"{log}.log").write_text(self.log_text())

    def end_processes(self):
        """The launcher, and a gateway that it left."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process.stdout.close()
            self.log.close()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = int((self.data / "run" / "gateway").read_text().split()[2])
            if str(self.data).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)

    def log_text(self):
        return self.data.with_suffix(".log").read_text()

    def cli(self, *args, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "launcher", *args, "--settings", str(self.settings), "--json"],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert code in (None, done.returncode), done.stderr
        return json.loads(done.stdout)

    def is_ready(self):
        """Whether it says so, and in time."""
        try:
            return requests.get(f"{self.url}/readyz", timeout=60).status_code == 200
        except requests.RequestException:
            return False

    def builds(self):
        return len(list((self.data / "builds" / "logs").glob("*/*.json")))

    def images(self):
        """Images of this box's own repositories; the engine may be shared."""
        rows = self.cli("env", "list")["images"]
        return len([row for row in rows if self.git.host in row["repo"]])

    def clean(self):
        """Remove what would stay on the engine or fill the disk."""
        if self.runtime == "docker":
            with contextlib.closing(docker.from_env()) as engine:
                for found in engine.api.images(filters={"label": "launcher.env.repo"}):
                    if self.git.host in found["Labels"]["launcher.env.repo"]:
                        remove_image(engine, found["Id"])
        unmount_below(self.data)
        shutil.rmtree(self.data.parent)

    def owner(self, session):
        """The student whose session it is."""
        return next(row["owner"] for row in self.cli("session", "list") if row["id"] == session)

    def link(self, **changes):
        parts = {
            "env": f"{self.git.url('env')}@v1",
            "repo": self.git.url("course"),
            "branch": "main",
            "path": "week1.ipynb",
        }
        query = requests.compat.urlencode(parts | changes)
        return f"{self.url}/launch?{query}"


def remove_image(engine: docker.DockerClient, image: str) -> None:
    """With its containers."""
    remove_containers(engine, ancestor=image)
    with contextlib.suppress(docker.errors.NotFound):
        engine.api.remove_image(image, force=True)


def remove_network(engine: docker.DockerClient, network: Network) -> None:
    """With the containers on it."""
    remove_containers(engine, network=network.id)
    network.remove()


def remove_containers(engine: docker.DockerClient, **filters: str) -> None:
    """Those of a launcher that had to be killed; some go by themselves meanwhile."""

    def gone() -> bool:
        found = engine.api.containers(all=True, filters=filters)
        for one in found:
            with contextlib.suppress(docker.errors.APIError):
                engine.api.remove_container(one["Id"], force=True)
        return not found

    wait_for(gone, 120, every=0.5)


def make_box(root: Path, runtime: str, **settings: object) -> Box:
    """A machine with a course; by default nothing starts but what the tests ask for."""
    notebook = json.dumps(week_1(), indent=1) + "\n"
    git = GitServer(root / "git")
    content = Repo.create(git.root / "course", {"week1.ipynb": notebook, "README.md": "# Course\n"})
    env = Repo.create(git.root / "env", {"requirements.txt": "cowsay==6.1\n"}, tag="v1")
    git.start()
    file = root / "settings.yml"
    port = free_port()
    file.write_text(
        yaml.safe_dump(
            {
                "data": str(root / "data"),
                "listen": f"127.0.0.1:{port}",
                "public_url": f"http://127.0.0.1:{port}",
                "runtime": runtime,
                "git": {"hosts": [git.host]},
                "environments": {"tag_life": "0s"},
                "content": {"fresh": "0s"},  # a test clicks right after it has pushed
                "pool": {"demand": "0s"},
            }
            | settings
        )
    )
    return Box(root / "data", file, git, content, env, runtime)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("local", marks=pytest.mark.slow),
    ],
)
def box(request, data_root, local_root):
    name = f"{request.module.__name__.rsplit('.', 1)[-1]}-{request.param}"
    root = (data_root if request.param == "docker" else local_root) / name
    root.mkdir()
    box = make_box(root, request.param, **getattr(request.module, "SETTINGS", {}))
    with box.running(log=name):
        yield box
    box.clean()


@dataclass
class Chromium:
    """A browser that waits longer than Playwright's 30 s: a worker may have no CPU for a while."""

    browser: Browser

    @property
    def contexts(self):
        return self.browser.contexts

    def new_context(self, **more):
        context = self.browser.new_context(**more)
        context.set_default_timeout(90_000)
        return context

    def new_page(self, **more):
        return self.new_context(**more).new_page()


@contextlib.contextmanager
def run_chromium(*flags):
    from playwright.sync_api import sync_playwright

    ARTEFACTS.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=[*FLAGS, *flags], timeout=180_000
        )
        yield Chromium(browser)
        browser.close()


@pytest.fixture(scope="module")
def chromium():
    with run_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """The script of axe-core, as npm has it."""
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE / name, folder)
    subprocess.run(["npm", "ci", *NPM], cwd=folder, check=True, capture_output=True, timeout=600)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


def findings(page, axe):
    """What axe calls serious or critical."""
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        (one["id"], node["html"][:120])
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture
def student(request, chromium):
    """Opens pages of their own, with their own cookies; a failure leaves a picture of each."""
    yield chromium
    for context in chromium.contexts:
        for number, page in enumerate(context.pages):
            if request.node.stash.get(FAILED, False):
                page.screenshot(path=ARTEFACTS / f"failed-{request.node.name}-{number}.png")
        context.close()
