"""Package caches on a real engine: what a stranger's build does to them reaches nobody else."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest

from benchmarks.build.bench import cache_of, forget
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker import buildkit
from tests.containers import printed

pytestmark = pytest.mark.docker
WANTED = "six==1.16.0\n"
# Runs while uv makes a wheel of the repository, as the user whom the cache belongs to.
EVIL = """\
import glob
from setuptools import setup
for path in glob.glob("/tmp/uv-cache/archive-v0/*/six.py"):
    with open(path, "a") as file:
        print("EVIL = True", file=file)
    print("changed", path)
setup(name="mine", version="1", py_modules=[])
"""


@pytest.fixture(scope="module")
def images(data_root):
    config = load_config(data=str(data_root / "docker-caches"), runtime="docker")
    images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
    images.check = lambda *_asked: None  # no session starts from these
    yield images
    images.client.close()


@pytest.fixture
def mark(images):
    """A word of the steps that first mount a cache; the engine tells these, and not its name."""
    mark = uuid.uuid4().hex
    yield mark
    for row in caches_of(images, mark):
        forget(images.client, row)


def caches_of(images, mark):
    rows = (row for row in cache_of(images.client) if row["Type"] == "exec.cachemount")
    return [row for row in rows if mark in row["Description"]]


@pytest.fixture
def whose(mark):
    """Names whose caches nobody has used."""
    return lambda name: f"https://git.example.org/{mark}/{name}"


@pytest.fixture
def build(images, mark, tmp_path):
    """Build a folder of files as an environment; the image's name and the log."""
    made = []

    def build(files, cache):
        source = tmp_path / f"source{len(made)}"
        source.mkdir()
        wanted = {f"{mark}.txt": "-r wanted.txt\n", "wanted.txt": f"# {len(made)}\n{WANTED}"}
        for path, content in (files | wanted).items():
            (source / path).write_text(content)
        made.append(f"env/caches:{uuid.uuid4().hex[:12]}")
        recipe, log = read_recipe(source), []
        if recipe.ours:
            recipe = replace(recipe, requirements=f"{mark}.txt")
        images.build(made[-1], recipe, source=source, labels={}, say=log.append, cache=cache)
        return made[-1], log

    yield build
    for name in made:
        images.remove_image(name)


def is_evil(images, name):
    ask = ["python", "-c", "import six; print(hasattr(six, 'EVIL'))"]
    said = printed(images.client, name, ask, user="1000:1000", network_mode="none")
    assert said in (b"True\n", b"False\n")
    return said == b"True\n"


def test_what_setup_code_puts_into_a_cache_is_for_builds_that_share_it(images, build, whose):
    build({}, whose("mine"))
    build({"setup.py": EVIL}, whose("theirs"))
    assert is_evil(images, build({}, whose("theirs"))[0])
    assert not is_evil(images, build({}, whose("mine"))[0])


NAMES = ("/tmp/uv-cache", "../{mine}/tmp/uv-cache", "{mine}//tmp/uv-cache", "/{mine}/tmp/uv-cache")


def test_a_dockerfile_reaches_no_cache_of_another_repository(images, build, whose, mark):
    mine, theirs = (images.engine.cache_names(whose(name)) for name in ("mine", "theirs"))
    assert mine != theirs
    build({}, whose("mine"))
    # Even if they knew the secret name.
    mounts = [
        f"--mount=type=cache,id={name.format(mine=mine)},target=/caches/{number}"
        for number, name in enumerate(NAMES)
    ]
    look = f"RUN {' '.join(mounts)} : {mark}; find /caches -mindepth 2 > /tmp/found"
    text = f"FROM launcher/base:3.11\nUSER root\n{look}\n"
    image, _ = build({"Dockerfile": text}, whose("theirs"))
    assert printed(images.client, image, ["cat", "/tmp/found"]) == b""


def test_the_name_of_a_cache_is_in_no_log_label_or_history(images, build, whose):
    image, log = build({"postBuild": "env\n"}, whose("mine"))
    found = images.client.images.get(image)
    shown = "\n".join([*log, json.dumps(found.attrs), json.dumps(found.history())])
    assert "uv-cache" in shown
    assert images.engine.cache_names(whose("mine")) not in shown
    assert buildkit.CACHES not in shown


def test_its_records_are_among_those_that_can_be_pruned(images, build, whose, mark):
    images.remove_image(build({}, whose("mine"))[0])
    made = caches_of(images, mark)
    assert [row["Size"] > 0 for row in made] == [True]
    forget(images.client, made[0])
    assert caches_of(images, mark) == []
