"""environment.yml with conda packages, solved from a local channel and built on a real engine."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from envs.errors import BuildFailed
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from tests.conda_channel import make_channel
from tests.containers import printed

pytestmark = pytest.mark.docker
YML = """\
channels: [conda-forge, defaults]
dependencies:
  - python=3.11
  - hello-data=1.*
  - pip:
      - -r extra.txt
variables: {GREETING: hello}
"""
KERNEL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
client.execute_interactive("import hello_data, os, sys; "
    "print(hello_data.VERSION, sys.prefix, os.environ['HELLO_DATA'], os.environ['GREETING'])")
manager.shutdown_kernel(now=True)
"""


@pytest.fixture(scope="module")
def images(data_root):
    channel = make_channel(data_root / "channel")
    config = load_config(
        data=str(data_root / "docker-conda"),
        runtime="docker",
        conda__channels={"conda-forge": f"file://{channel}"},
    )
    images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
    yield images
    images.client.close()


def build(images, root, yml=YML, *, lock="", **files):
    root.mkdir(exist_ok=True)
    (root / "environment.yml").write_text(yml)
    for name, text in files.items():
        (root / name.replace("_dot_", ".")).write_text(text)
    recipe = replace(read_recipe(root), lock=lock)
    assert images.plan(recipe, root)
    name, log = f"env/test:{uuid.uuid4().hex[:12]}", []
    images.build(name, recipe, source=root, labels={}, say=log.append, cache="tests")
    return name, "\n".join(log)


@pytest.fixture(scope="module")
def built(images, tmp_path_factory):
    name, _ = build(images, tmp_path_factory.mktemp("conda") / "repo", extra_dot_txt="cowsay\n")
    yield name
    images.remove_image(name)


def inside(images, name, *command):
    said = printed(images.client, name, command, user="1000:1000", network_mode="none")
    return said.decode()


def test_a_kernel_runs_from_the_environment(images, built):
    said = inside(images, built, "/srv/env/bin/python", "-c", KERNEL).split()
    assert said == ["1.1", "/srv/conda/env", "/srv/conda/env/share", "hello"]


def test_its_programs_are_found_and_the_server_is_the_launchers(images, built):
    said = inside(images, built, "sh", "-c", "hello-data; cowsay -t hi; command -v jupyter-server")
    assert said.startswith("1.1\n")
    assert "| hi |" in said
    assert said.endswith("/srv/server/bin/jupyter-server\n")
    assert inside(images, built, "bash", "-lc", "command -v hello-data").startswith("/srv/conda")


def test_the_lock_keeps_both_kinds_of_packages_and_is_kept_to(images, built, tmp_path):
    lock = images.lock(built)
    assert "/noarch/hello-data-1.1-0.tar.bz2#" in lock
    assert "cowsay==" in lock
    channel = Path(images.conda.channels["conda-forge"].removeprefix("file://"))
    older = hashlib.sha256((channel / "noarch/hello-data-1.0-0.tar.bz2").read_bytes()).hexdigest()
    old = re.sub(r"hello-data-1\.1(.*)#.*", rf"hello-data-1.0\1#{older}", lock)
    name, log = build(images, tmp_path / "repo", lock=old, extra_dot_txt="cowsay\n")
    try:
        assert "hello-data 1.0 0" in log
        assert inside(images, name, "hello-data") == "1.0\n"
    finally:
        images.remove_image(name)


def test_an_impossible_package_is_named(images, tmp_path):
    with pytest.raises(BuildFailed) as caught:
        build(images, tmp_path / "repo", "dependencies: [hello-data>=7]\n")
    said = "\n".join([caught.value.message, *caught.value.log_tail])
    assert "error: environment.yml: " in said
    assert "hello-data >=7" in said
