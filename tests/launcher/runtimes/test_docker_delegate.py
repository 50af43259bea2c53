"""The real repo2docker on a real engine, as far as no base image must be pulled: a Dockerfile."""

from __future__ import annotations

import os
import uuid

import pytest

from envs.errors import BuildFailed, NotOffered
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from tests.containers import printed

pytestmark = pytest.mark.docker
# Debian's client has no plugin buildx; it builds the same with the engine's own BuildKit.
WITH_BUILDX = """#!/bin/bash
if [ "$1 $2" = "buildx version" ]; then exit 0; fi
[ "$1 $2" = "buildx build" ] || exec /usr/bin/docker "$@"
shift 2; words=()
for word in "$@"; do [ "$word" = --load ] || words+=("$word"); done
DOCKER_BUILDKIT=1 exec /usr/bin/docker build "${words[@]}"
"""
WITHOUT = "#!/bin/bash\n[ $1 != buildx ] || exit 1\n"


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Put a script in the place of the engine's client."""

    def client(script):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "docker").write_text(script)
        (tmp_path / "bin" / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    return client


@pytest.fixture
def images(data_root):
    config = load_config(data=str(data_root / "docker-images"), runtime="docker")
    images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
    yield images
    images.client.close()


@pytest.fixture
def build(images, tmp_path):
    name = f"env/test:{uuid.uuid4().hex[:12]}"
    log = []
    labels = {"launcher.env.name": name, "launcher.env.ref": 'v1"$X'}

    def build(dockerfile):
        source = tmp_path / "source"
        source.mkdir()
        (source / "Dockerfile").write_text(dockerfile)
        recipe = read_recipe(source, delegate=True)
        assert "--no-run" in images.plan(recipe, source)
        return images.build(name, recipe, source=source, labels=labels, say=log.append)

    build.name, build.log = name, log
    yield build
    images.remove_image(name)


def test_an_image_by_repo2docker_has_our_name_and_labels_and_was_checked(images, build, client):
    client(WITH_BUILDX)
    image = build("FROM launcher/base:3.11\nRUN echo by repo2docker > /tmp/made\n")
    name = images.engine.cache_names(build.name)
    assert name not in "\n".join(build.log)
    assert image.labels["launcher.env.kind"] == "repo2docker"
    assert image.labels["launcher.env.ref"] == 'v1"$X'
    assert image.labels["repo2docker.version"]
    assert any("DockerBuildPack" in line for line in build.log)
    said = printed(images.client, image.name, ["cat", "/tmp/made"])
    assert said == b"by repo2docker\n"


def test_one_that_asks_is_told_the_name_of_its_own_caches(images, build, client):
    client(WITH_BUILDX)
    ask = "ARG BUILDKIT_CACHE_MOUNT_NS\nRUN echo $BUILDKIT_CACHE_MOUNT_NS > /tmp/name\n"
    image = build(f"FROM launcher/base:3.11\n{ask}")
    said = printed(images.client, image.name, ["cat", "/tmp/name"])
    assert said.decode().strip() == images.engine.cache_names(build.name)


@pytest.mark.parametrize(
    ("script", "dockerfile", "said"),
    [
        (WITH_BUILDX, "FROM launcher/base:3.11\nRUN echo no luck; exit 3\n", "no luck"),
        (WITH_BUILDX, "FROM launcher/base:3.11\nENTRYPOINT exit 1\n", "cannot run sessions"),
        (WITHOUT, "FROM launcher/base:3.11\n", "Install Docker's plugin buildx"),
    ],
)
def test_one_that_fails_says_why_and_leaves_no_image(
    images, build, client, script, dockerfile, said
):
    client(script)
    with pytest.raises(BuildFailed) as caught:
        build(dockerfile)
    error = caught.value
    assert said in "\n".join([error.message, error.hint, *error.log_tail, *build.log])
    rows = images.client.api.images(filters={"label": f"launcher.env.name={build.name}"})
    names = {name for row in rows for name in row["RepoTags"] or ()}
    assert names <= {"<none>:<none>"}


def test_what_only_repo2docker_has_is_refused_without_it_and_handed_over_with_it(
    images, tmp_path, monkeypatch
):
    (tmp_path / "runtime.txt").write_text("python-2.7\n")
    recipe = read_recipe(tmp_path)
    assert images.routed(recipe).delegated.startswith("runtime.txt: Python 2.7 is not offered")
    assert images.plan(recipe, tmp_path)
    monkeypatch.setattr(type(images.delegate), "find_program", lambda self: None)
    with pytest.raises(NotOffered, match=r"runtime\.txt: Python 2\.7 is not offered") as caught:
        images.plan(recipe, tmp_path)
    assert "split-launcher[repo2docker]" in caught.value.hint
    assert "3.11" in caught.value.hint
