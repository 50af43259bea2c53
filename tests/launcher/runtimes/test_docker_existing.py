"""Images that exist already, from a real registry on this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from envs.errors import (
    BadEnvironment,
    BuildCancelled,
    BuildFailed,
    HostNotAllowed,
    OverLimit,
    UnknownRef,
)
from envs.git import Git
from envs.halt import NO_HALT, Halt
from envs.readers import read_recipe
from envs.store import Store
from envs.version_cache import VersionCache
from launcher.config import load_config
from launcher.machine.ports import free_port
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker.context import context_of
from launcher.runtimes.docker.engine import Engine
from tests.conftest import IN_CI
from tests.waiting import wait_for

pytestmark = pytest.mark.docker
CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:{port}}}
"""


@pytest.fixture(scope="module")
def registry(data_root):
    program = shutil.which("docker-registry")
    if not program:
        assert not IN_CI, "docker-registry is not installed (package docker-registry)"
        pytest.skip("docker-registry is not installed (package docker-registry)")
    port = free_port()
    settings = data_root / "registry.yml"
    settings.write_text(CONFIG.format(folder=data_root / "registry", port=port))
    with (data_root / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", settings], stdout=log, stderr=log)

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens, 60)
    yield f"127.0.0.1:{port}"
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def runtime(data_root, registry):
    config = load_config(
        data=str(data_root / "docker-existing"),
        runtime="docker",
        environments__registries=[registry],
    )
    runtime = RUNTIMES["docker"](config, uuid.uuid4().hex[:12])
    yield runtime
    runtime.client.close()


@pytest.fixture
def images(runtime):
    return runtime.images


@pytest.fixture
def versions(images):
    return VersionCache(Git(), tag_life=0, digest=images.digest)


@pytest.fixture
def store(images, data_root):
    return Store(data_root / "existing-builds", images, Git())


def push(images, registry, name, tag, *lines, local=False):
    """Make an image of a few lines, bring it to the registry, and forget it here."""
    base = images.bases.ensure("3.11", say=print)
    reference = f"{registry}/{name}"
    text = "\n".join([f"FROM {base.name}", *lines, ""])
    with tempfile.TemporaryDirectory() as folder, context_of(Path(folder), text) as context:
        images.engine.build(context, tag=f"{reference}:{tag}", labels={}, say=print)
    if not local:
        said = images.client.images.push(reference, tag=tag)
        assert '"error"' not in said, said
        images.client.images.remove(f"{reference}:{tag}")
    return f"docker:{reference}"


def test_an_image_of_a_registry_is_pinned_and_starts_sessions(images, registry, versions, store):
    repo = push(images, registry, "org/course", "2025.1", "ENV COURSE=one")
    version = versions.resolve(repo, "2025.1")
    assert len(version.commit) == 64
    log = []
    image = store.ensure_image(version, say=log.append)
    try:
        assert image.repo == repo
        config = images.client.images.get(image.name).attrs["Config"]
        assert "COURSE=one" in config["Env"]
        assert "jupyterlab==" in store.records.lock(image.repo, image.name)
        log.clear()
        assert store.ensure_image(version, say=log.append) == image
        assert not log, "the second time nothing is done"
        push(images, registry, "org/course", "2025.1", "ENV COURSE=two")
        moved = versions.resolve(repo, "2025.1")
        assert moved.commit != version.commit
        pinned = versions.resolve(repo, f"sha256:{version.commit}")
        assert store.plan(pinned)[2] == image.name
    finally:
        images.remove_image(image.name)


def test_an_image_that_sessions_cannot_start_from_says_why(images, registry, versions, store):
    repo = push(images, registry, "org/odd", "1", 'ENTRYPOINT ["/bin/echo"]')
    with pytest.raises(BuildFailed, match="ENTRYPOINT"):
        store.ensure_image(versions.resolve(repo, "1"), say=print)
    repo = push(images, registry, "org/bare", "1", "RUN rm /srv/env/bin/jupyter*")
    with pytest.raises(BuildFailed, match="no Jupyter server"):
        store.ensure_image(versions.resolve(repo, "1"), say=print)


def test_an_image_whose_builds_download_is_refused(images, registry, versions, store):
    assert not images.engine.walls.off
    repo = push(images, registry, "org/fetching", "1", "ONBUILD ADD http://10.0.0.1/ /x")
    with pytest.raises(BadEnvironment, match=r"ADD fetch http://10\.0\.0\.1/"):
        store.ensure_image(versions.resolve(repo, "1"), say=print)


@pytest.fixture
def build(images, tmp_path):
    """Build a Dockerfile; what it is named is removed afterwards."""
    made = []

    def build(text):
        (tmp_path / "Dockerfile").write_text(text)
        name, said = f"env/below:{uuid.uuid4().hex[:12]}", []
        made.append(name)
        recipe = read_recipe(tmp_path)
        labels = {"launcher.env.name": name, "launcher.env.repo": "test-below"}
        images.build(name, recipe, source=tmp_path, labels=labels, say=said.append)
        return images.client.images.get(name).attrs["Config"]["Env"]

    yield build
    for name in made:
        images.remove_image(name)


def test_a_dockerfile_begins_with_an_image_of_a_registry_as_it_is_now(images, registry, build):
    for course in ("one", "two"):
        name = push(images, registry, "org/below", "1", f"ENV COURSE={course}").partition(":")[2]
        text = f"ARG TAG=1\nFROM {name}:${{TAG}} AS first\nFROM first\nENV MORE=yes\n"
        assert {f"COURSE={course}", "MORE=yes"} <= set(build(text))
    digests = [one for row in images.client.api.images() for one in row["RepoDigests"] or ()]
    assert not any(one.startswith(name) for one in digests), "only passing names are left"
    with pytest.raises(BuildFailed, match="org/none:latest cannot be fetched"):
        build(f"FROM {registry}/org/none\n")


def test_a_dockerfile_takes_files_from_an_image_as_it_begins_with_one(images, registry, build):
    name = push(images, registry, "org/files", "1", "RUN echo yes > /tmp/file").partition(":")[2]
    text = f"FROM launcher/base:3.11\nCOPY --from={name}:1 /tmp/file /srv/file\nENV COPIED=yes\n"
    assert "COPIED=yes" in build(text)
    digests = [one for row in images.client.api.images() for one in row["RepoDigests"] or ()]
    assert not any(one.startswith(name) for one in digests), "only passing names are left"
    with pytest.raises(BuildFailed, match="org/none:latest cannot be fetched"):
        build(f"FROM launcher/base:3.11\nCOPY --from={registry}/org/none / /x\n")


def test_builds_that_begin_with_one_image_at_once_all_have_it(images, registry, monkeypatch):
    name = push(images, registry, "org/shared", "1", "ENV COURSE=one").partition(":")[2]
    found = []

    def while_another_does(engine, repository, mark, *, halt):
        monkeypatch.undo()
        found.append(images.existing.below(f"{name}:1", say=print, halt=halt))
        return engine.client.images.get(f"{repository}@{mark}")

    monkeypatch.setattr(Engine, "pull", while_another_does)
    found.append(images.existing.below(f"{name}:1", say=print, halt=NO_HALT))
    assert found[0] == found[1]
    images.client.images.remove(found[0])


DOCKER = "application/vnd.docker"
CONFIG_OF_NONE = b'{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers"}}'


def sha256(of: bytes) -> str:
    return f"sha256:{hashlib.sha256(of).hexdigest()}"


class StallingHandler(BaseHTTPRequestHandler):
    """Any image has one layer, of which a byte comes now and then."""

    server: StallingRegistry

    def do_GET(self) -> None:
        if self.path.endswith(self.server.layer):
            self.say(b"", size=1_000_000)
            self.server.asked.set()
            while not self.server.ended.wait(0.3):
                self.wfile.write(b"x")
        elif "/blobs/" in self.path:
            self.say(CONFIG_OF_NONE)
        elif "/manifests/" in self.path:
            self.hang_if_silent()
            self.say(self.server.manifest)
        else:
            self.say(b"{}")

    def hang_if_silent(self) -> None:
        if self.server.silent:
            self.server.asked.set()
            self.server.ended.wait(300)

    def do_HEAD(self) -> None:
        self.hang_if_silent()
        self.say(b"", size=len(self.server.manifest))

    def say(self, what: bytes, *, size: int = 0) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{DOCKER}.distribution.manifest.v2+json")
        self.send_header("Docker-Content-Digest", self.server.digest)
        self.send_header("Content-Length", str(size or len(what)))
        self.end_headers()
        self.wfile.write(what)

    def log_message(self, format: str, *args: object) -> None:
        pass


class StallingRegistry(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StallingHandler)
        self.asked, self.ended, self.left = Event(), Event(), Event()
        self.silent = False
        self.layer = sha256(uuid.uuid4().bytes)  # no engine has it
        kind = f"{DOCKER}.container.image.v1+json"
        config = {"mediaType": kind, "size": len(CONFIG_OF_NONE), "digest": sha256(CONFIG_OF_NONE)}
        kind = f"{DOCKER}.image.rootfs.diff.tar.gzip"
        layer = {"mediaType": kind, "size": 1_000_000, "digest": self.layer}
        kind = f"{DOCKER}.distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}
        self.manifest = json.dumps(manifest).encode()
        self.digest = sha256(self.manifest)

    def handle_error(self, *_: object) -> None:
        """The engine hangs up in the middle of a layer."""
        self.left.set()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}/evil/x"


@pytest.fixture
def stalling():
    with StallingRegistry() as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("how", ["below", "ensure"])
@pytest.mark.parametrize("why", [BuildCancelled, OverLimit])
def test_a_pull_that_never_ends_is_cancelled_and_has_the_time_limit(images, stalling, how, why):
    existing = replace(images.existing, trusted=frozenset([stalling.name]))
    late = why is OverLimit
    halt = Halt(wished=Event().is_set if late else stalling.asked.is_set)
    names = {"below": f"{stalling.name}:1", "ensure": f"{stalling.name}@{stalling.digest}"}
    began = time.monotonic()
    with pytest.raises(why):
        getattr(existing, how)(
            names[how], say=print, halt=halt.within(5) if late else halt.within(300)
        )
    assert time.monotonic() - began < 60
    assert stalling.asked.is_set()
    assert stalling.left.wait(60), "the engine gives it up, too"


@pytest.mark.parametrize("how", ["below", "ensure"])
def test_a_build_that_waits_for_a_silent_registry_is_cancelled(images, stalling, how):
    stalling.silent = True
    existing = replace(images.existing, trusted=frozenset([stalling.name]))
    names = {"below": f"{stalling.name}:1", "ensure": f"{stalling.name}@{stalling.digest}"}
    with pytest.raises(BuildCancelled):  # whoever waits for the engine's answer hears of a failure
        getattr(existing, how)(names[how], say=print, halt=Halt(wished=stalling.asked.is_set))


def test_a_dockerfile_that_begins_with_an_image_that_downloads_is_refused(images, registry, build):
    repo = push(images, registry, "org/adds", "1", "ONBUILD ADD http://10.0.0.1/ /x")
    with pytest.raises(BadEnvironment, match=r"ADD fetch http://10\.0\.0\.1/"):
        build(f"FROM {repo.partition(':')[2]}:1\n")


def test_what_is_not_there_or_not_allowed_is_a_sentence(images, registry, versions):
    repo = push(images, registry, "org/course", "2025.1")
    with pytest.raises(UnknownRef, match="no tag 1999"):
        versions.resolve(repo, "1999")
    with pytest.raises(UnknownRef):
        versions.resolve(f"docker:{registry}/org/none", "1")
    with pytest.raises(HostNotAllowed) as caught:
        versions.resolve("docker:127.0.0.1:9/x", "1")
    assert "environments.registries" in caught.value.hint


def test_an_image_of_this_machine_alone_must_be_in_the_catalogue(images, registry):
    repo = push(images, registry, f"mine/{uuid.uuid4().hex[:8]}", "1", local=True)
    name = repo.removeprefix("docker:")
    try:
        with pytest.raises(UnknownRef):
            images.digest(name, "1")
        trusting = replace(images.existing, trusted=frozenset([name]))
        digest = trusting.digest(name, "1")
        pinned = trusting.ensure(f"{name}@sha256:{digest}", say=print, halt=NO_HALT)
        assert images.client.images.get(pinned).id == f"sha256:{digest}"
        images.client.images.remove(pinned)
    finally:
        images.client.images.remove(f"{name}:1")
