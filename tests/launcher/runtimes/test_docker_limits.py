"""Builds with limits on a real engine, by a container and its commit: the same images, held to
what they may take, and credentials of package indexes that are nowhere afterwards."""

from __future__ import annotations

import json
import tracemalloc
import uuid
from collections import Counter
from dataclasses import replace
from ipaddress import ip_network

import pytest
from docker.types import Mount

from envs.errors import BuildCancelled, BuildFailed, OverLimit
from envs.halt import NO_HALT, Halt
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker.limits import BuildLimits
from tests.containers import printed
from tests.private_index import CREDENTIALS, PASSWORD, private_index
from tests.processes import runs
from tests.waiting import limit_once, wait_for

pytestmark = pytest.mark.docker
FILES = {
    "binder/apt.txt": "tree\n",
    "binder/environment.yml": "dependencies: [python=3.11, pip: [cowsay==6.1]]\n"
    'variables: {GREETING: "it\'s \\"$HOME\\" \\\\ here"}\n',
    "binder/postBuild": "mkdir made && id > made/by && (sleep 100 & ) && pwd >> made/by\n",
    "binder/start": 'export FROM_START=yes\nexec "$@"\n',
    "data/a b.csv": "1\n",
}
HUNGRY = "python -c 'x = bytearray(400 << 20)'\n"


@pytest.fixture(scope="module")
def images(data_root):
    config = load_config(data=str(data_root / "docker-limits"), runtime="docker")
    images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
    yield images
    for volume in volumes(images):
        volume.remove()
    images.client.close()


@pytest.fixture
def build(images, tmp_path):
    """Build a folder of files in a container that is committed; the image is removed afterwards."""
    made = []

    def build(files, *, halt=NO_HALT, say=print, **engine):
        source = tmp_path / f"source{len(made)}"
        source.mkdir()
        for path, content in files.items():
            (source / path).parent.mkdir(exist_ok=True)
            (source / path).write_text(content)
        name = f"env/limits:{uuid.uuid4().hex[:12]}"
        made.append(name)
        builder = replace(images, engine=replace(images.engine, **{"commits": True, **engine}))
        labels = {"launcher.env.name": name}
        return builder.build(
            name,
            read_recipe(source),
            source=source,
            labels=labels,
            say=say,
            halt=halt,
            cache="test-limits",
        )

    yield build
    for name in made:
        images.remove_image(name)


def inside(images, name, script):
    shell = ["sh", "-c", script]
    return printed(images.client, name, shell, user="0:0", network_mode="none").decode()


EVERY = (
    "find / -xdev '(' -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp"
    " -o -path /var/log -o -path /var/cache/ldconfig ')' -prune -o -printf '%M %U:%G %y %p %l\\n'"
    " | LC_ALL=C sort; cat /srv/env/launcher.lock; ls -A /tmp /run /var/cache/apt;"
    " env | grep -v HOSTNAME | sort; id; pwd"
)


def test_an_image_is_the_same_as_buildkits(images, build):
    ours, theirs = build(FILES), build(FILES, commits=False)
    assert inside(images, ours.name, EVERY).split("\n") == inside(images, theirs.name, EVERY).split(
        "\n"
    )
    assert "cowsay/__pycache__/main.cpython-311.pyc" in inside(images, ours.name, EVERY)
    first, second = (images.client.images.get(one.name).attrs["Config"] for one in (ours, theirs))
    assert set(first.pop("Env")) == set(second.pop("Env"))
    for config in (first, second):
        config.pop("Image")
        config.pop("ArgsEscaped", None)
        config["Labels"].pop("launcher.env.name")
        config["Cmd"] = config["Cmd"] or None
    assert {k: v for k, v in first.items() if v} == {k: v for k, v in second.items() if v}


@pytest.mark.parametrize("engine", [{}, {"commits": False}, {"commits": False, "legacy": True}])
def test_a_build_that_prints_without_end_fills_no_memory(build, engine):
    endless = (
        "yes $(printf %0100d 1) | head -n 200000; yes x | head -c 20000000 | tr -d '\\n'; exit 3"
    )
    tracemalloc.start()
    try:
        with pytest.raises(BuildFailed, match="code: 3") as caught:
            build({"postBuild": f"{endless}\n"}, say=len, **engine)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert len(caught.value.log_tail) == 20


@pytest.mark.parametrize("kind", ["postBuild", "Dockerfile"])
def test_who_needs_more_memory_than_there_is_is_told_the_limit(build, kind):
    files = {"postBuild": HUNGRY}
    if kind == "Dockerfile":
        text = f"FROM launcher/base:3.11\nRUN : {uuid.uuid4().hex}; {HUNGRY}"
        files = {"Dockerfile": text}
    with pytest.raises(BuildFailed, match="needs more than 200 MB of memory") as caught:
        build(files, limits=BuildLimits(memory=200 << 20))
    assert "builds.memory" in caught.value.hint


def test_what_is_done_as_root_between_steps_runs_no_program_that_a_step_left(build):
    lie = "printf '#!/bin/sh\\necho oom_kill 9\\n' > /srv/env/bin/cat; chmod +x /srv/env/bin/cat"
    with pytest.raises(BuildFailed, match=r"postBuild.*exit code: 3"):
        build({"postBuild": f"{lie}; exit 3\n"}, limits=BuildLimits(memory=1 << 30))


def test_a_step_whose_exit_code_the_engine_learns_late_has_failed_all_the_same(
    images, build, monkeypatch
):
    inspect, asked = images.client.api.exec_inspect, Counter()

    def late(exec_id):
        asked[exec_id] += 1
        return inspect(exec_id) | ({"ExitCode": None} if asked[exec_id] < 3 else {})

    monkeypatch.setattr(images.client.api, "exec_inspect", late)
    with pytest.raises(BuildFailed, match=r"postBuild.*exit code: 3"):
        build({"postBuild": "exit 3\n"})


def test_processes_and_network_are_limited_as_the_settings_say(build):
    script = 'test "$(ls /sys/class/net)" = lo && for i in $(seq 60); do sleep 300 & done\n'
    said = []
    with pytest.raises(BuildFailed, match=r"postBuild.*exit code: "):
        build(
            {"postBuild": script}, limits=BuildLimits(processes=40, network="none"), say=said.append
        )
    assert any("Resource temporarily unavailable" in line for line in said)


@pytest.mark.parametrize("wish", [True, False], ids=["cancelled", "too long"])
def test_a_silent_build_ends_by_a_wish_and_at_its_time_limit(images, build, monkeypatch, wish):
    said, mark = [], uuid.uuid4().int % 10**9 + 10**9
    if not wish:
        limit_once(lambda: runs(f"sleep {mark}"), monkeypatch)
    halt = Halt(lambda: wish and runs(f"sleep {mark}"))
    with pytest.raises(BuildCancelled if wish else OverLimit):
        build({"postBuild": f"sleep {mark}\n"}, halt=halt, say=said.append, timeout=1000)
    wait_for(lambda: not runs(f"sleep {mark}"), 60)


@pytest.fixture
def index(images):
    """The index's host and address, as containers on the engine's own bridge reach it."""
    bridge = images.client.networks.get("bridge").attrs["IPAM"]["Config"][0]
    gateway = bridge.get("Gateway") or str(next(ip_network(bridge["Subnet"]).hosts()))
    with private_index(gateway) as url:
        yield gateway, url


def test_credentials_of_an_index_serve_the_install_and_are_nowhere_afterwards(
    images, build, index, tmp_path, monkeypatch
):
    host, url = index
    walls = images.engine.walls
    walls = replace(walls, urls=(*walls.urls, url))  # its port only: other builds see it, too
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {host} login reader password {PASSWORD}\n")
    files = {
        "requirements.txt": f"--extra-index-url {url}\nprivate-course==1.0\n",
        # What runs later has it no more; were a password printed, the log would not show it.
        "postBuild": 'test -z "$NETRC" && ! ls -A /run/launcher | grep . && echo saw '
        f"{PASSWORD[:9]}''{PASSWORD[9:]}\n",
    }
    with pytest.raises(BuildFailed):
        build(files, walls=walls)
    said = []
    image = build(files, netrc=netrc, walls=walls, say=said.append)
    assert (
        inside(images, image.name, "python -c 'import private_course as p; print(p.x)'") == "42\n"
    )
    assert "saw ***" in said
    found = images.client.images.get(image.name)
    places = [json.dumps(found.attrs), json.dumps(found.history()), "\n".join(said)]
    cached = printed(
        images.client, image.name, ["grep", "-rlaE", f"{PASSWORD}|{CREDENTIALS}", "/cache"],
        mounts=[Mount("/cache", one.name) for one in volumes(images)][:1],
        user="0:0", network_mode="none", entrypoint=["sh", "-c", '"$@"; true', "sh"],
    )  # fmt: skip
    assert cached == b""
    for secret in (PASSWORD, CREDENTIALS):
        assert not any(secret in place for place in places)
    monkeypatch.setattr(images.client.api, "timeout", 600)  # it says nothing while it packs
    rest = b""
    for chunk in found.save(named=True):  # every layer, with the configuration
        rest = rest[-200:] + chunk
        assert PASSWORD.encode() not in rest
        assert CREDENTIALS.encode() not in rest


def volumes(images):
    return images.client.volumes.list(filters={"label": "launcher.cache=test-limits"})
