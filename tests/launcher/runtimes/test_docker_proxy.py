"""Builds behind a proxy that wants a password: they use it, and it is in no image and no log."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import replace
from ipaddress import ip_network

import pytest

from envs.errors import BuildFailed
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker.delegate import build_command
from tests.forward_proxy import PASSWORD, forward_proxy
from tests.launcher.runtimes.test_delegate import JULIA

FETCH = (
    "env | grep -i _proxy\n"
    'python3 -c "import urllib.request as r; '
    "print(r.urlopen('http://packages.invalid/x').read())\" > fetched\n"
)


@pytest.fixture
def images(data_root, monkeypatch):
    with forward_proxy("0.0.0.0") as proxy:
        name = f"launcher-test-{uuid.uuid4().hex[:8]}"
        config = load_config(data=str(data_root / "proxy"), runtime="docker", docker__network=name)
        client = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).client
        bridge = client.networks.get("bridge").attrs["IPAM"]["Config"][0]
        # An engine that has just been installed does not name it
        gateway = bridge.get("Gateway") or str(next(ip_network(bridge["Subnet"]).hosts()))
        client.close()
        monkeypatch.setenv("http_proxy", proxy.url(gateway))
        images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
        yield images, proxy
        for network in images.client.networks.list(names=[name]):
            network.remove()
        images.client.close()


@pytest.mark.docker
@pytest.mark.parametrize(
    "how", [{}, {"commits": True}, {"legacy": True}], ids=["buildkit", "commit", "legacy"]
)
@pytest.mark.parametrize("kind", ["postBuild", "Dockerfile"])
def test_a_build_goes_by_the_proxy_and_keeps_nothing_of_it(images, tmp_path, how, kind):
    images, proxy = images
    images = replace(images, engine=replace(images.engine, **how))
    marked = f"# {uuid.uuid4().hex}\n{FETCH}"
    if kind == "Dockerfile":
        (tmp_path / "run").write_text(f"set -e\n{marked}")
        text = f"FROM {images.bases.base('3.11').name}\nCOPY run /run.sh\nRUN sh /run.sh\n"
        (tmp_path / "Dockerfile").write_text(text)
    else:
        (tmp_path / "postBuild").write_text(f"#!/bin/bash\nset -e\n{marked}")
    name = f"env/proxy:{uuid.uuid4().hex[:12]}"
    labels = {"launcher.env.name": name, "launcher.env.repo": "test-proxy"}
    said = []
    try:
        recipe = read_recipe(tmp_path)
        images.build(name, recipe, source=tmp_path, labels=labels, say=said.append)
        assert "GET http://packages.invalid/x" in proxy.asked
        assert any("http_proxy=http://campus:***@" in line for line in said)
        image = images.client.images.get(name)
        kept = json.dumps([image.attrs, image.history(), said])
        assert PASSWORD not in kept
        place = os.environ["http_proxy"].rpartition("@")[2]
        assert place not in json.dumps([image.attrs, image.history()])
    except BuildFailed as error:
        raise AssertionError("\n".join([*said, str(error)])) from error
    finally:
        images.remove_image(name)


def test_repo2docker_s_builds_are_told_names_only():
    command = build_command(
        "r2d", JULIA, source="/src", tag="t", labels={}, passed={"http_proxy": "http://u:p@h"}
    )
    assert "--DockerEngine.extra_buildx_build_args=--build-arg=http_proxy" in command
    assert "u:p" not in " ".join(command)
