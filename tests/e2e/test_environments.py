"""Links to environments that are not requirements.txt: a click ends in a kernel that runs."""

from __future__ import annotations

import contextlib
import uuid

import docker
import pytest
import yaml

from launcher.rehearsal.click import Click, ClickFailed
from tests.conda_channel import make_channel
from tests.e2e.conftest import make_box
from tests.git_server import Repo

YML = "dependencies: [python=3.11, hello-data=1.*]\nvariables: {GREETING: hello}\n"
CODE = "import hello_data, os, sys; print(hello_data.VERSION, os.environ['GREETING'], sys.prefix)"


@pytest.fixture(scope="module")
def engine():
    with contextlib.closing(docker.from_env()) as client:
        yield client


@pytest.fixture(scope="module")
def box(data_root, engine):
    root = data_root / "environments"
    root.mkdir()
    box = make_box(root, "docker")
    Repo.create(box.git.root / "conda", {"environment.yml": YML}, tag="v1")
    channel = make_channel(root / "channel")
    image = f"course-of-{uuid.uuid4().hex[:8]}"
    settings = yaml.safe_load(box.settings.read_text())
    settings["conda"] = {"channels": {"conda-forge": f"file://{channel}"}}
    settings["environments"]["catalogue"] = {"ready": {"repo": f"docker:{image}", "tag": "1"}}
    box.settings.write_text(yaml.safe_dump(settings))
    with box.running():
        (base,) = box.cli("base", "build", "3.11")
        assert engine.images.get(base["image"]).tag(image, tag="1")
        yield box
    for known in engine.api.images(filters={"label": "launcher.env.repo"}):
        if known["Labels"]["launcher.env.repo"] == f"docker:{image}":
            engine.api.remove_image(known["Id"], force=True)
    engine.images.remove(f"{image}:1")
    box.clean()


@pytest.mark.docker
def test_a_link_to_a_conda_environment_opens_and_its_kernel_has_the_packages(box):
    click = Click()
    click.open(box.link(env=f"{box.git.url('conda')}@v1"), say=print)
    assert click.notebook("course/week1.ipynb")["cells"]
    assert click.run(CODE).split() == ["1.1", "hello", "/srv/conda/env"]


@pytest.mark.docker
def test_a_link_to_an_existing_image_of_the_catalogue_opens(box):
    click = Click()
    click.open(box.link(env="ready"), say=print)
    assert click.run("print(6 * 7)").strip() == "42"
    with pytest.raises(ClickFailed):  # the same by a name that the catalogue does not hold
        Click().open(box.link(env="docker:launcher/base:3.11"), say=print)
