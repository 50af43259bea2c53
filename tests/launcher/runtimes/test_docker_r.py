"""R by a real engine, with a CRAN made here: packages are installed, and the kernel has them."""

from __future__ import annotations

import io
import tarfile
import uuid

import pytest

from envs.errors import BuildFailed
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from tests.containers import printed

pytestmark = pytest.mark.docker
DAY = "2024-03-01"
CELL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="ir")
cell = "stopifnot(mine::greet() == 'hello from 2024', .libPaths()[1] == '/srv/rlibs')"
print(client.execute_interactive(cell)["content"])
manager.shutdown_kernel(now=True)
"""


def add_package(cran, name):
    """A package with one function, in a CRAN that is a folder."""
    place = cran / "src" / "contrib"
    place.mkdir(parents=True)
    about = f"Package: {name}\nVersion: 1.0\n"
    files = {
        "DESCRIPTION": f"{about}Title: Hello\nDescription: Says it.\nLicense: CC0\nAuthor: We\n"
        "Maintainer: We <we@example.org>\n",
        "NAMESPACE": "export(hello)\n",
        "R/hello.R": 'hello <- function() "hello from 2024"\n',
    }
    (place / "PACKAGES").write_text(about)
    with tarfile.open(place / f"{name}_1.0.tar.gz", "w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))


@pytest.fixture(scope="module")
def images(data_root):
    config = load_config(
        data=str(data_root / "docker-images"),
        runtime="docker",
        base__cran_snapshots="file:///srv/repo/cran/{date}",
    )
    images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
    yield images
    images.client.close()


@pytest.fixture
def build(images, tmp_path):
    name = f"env/test:{uuid.uuid4().hex[:12]}"
    log = []

    def build(**files):
        add_package(tmp_path / "cran" / DAY, "hello")
        for path, text in files.items():
            (tmp_path / path.replace("_", ".")).write_text(text)
        recipe = read_recipe(tmp_path)
        return images.build(name, recipe, source=tmp_path, labels={}, say=log.append, cache="tests")

    build.log = log
    yield build
    images.remove_image(name)


def test_install_r_and_description_are_installed_from_a_days_cran(images, build, tmp_path):
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "greet.R").write_text("greet <- function() hello::hello()\n")
    image = build(
        runtime_txt=f"r-4.2-{DAY}\n",
        install_R='install.packages("hello")\n',
        DESCRIPTION="Package: mine\nVersion: 1.0\nTitle: Mine\nDescription: It.\nLicense: CC0\n"
        "Imports: hello\nAuthor: We\nMaintainer: We <we@example.org>\n",
        NAMESPACE="export(greet)\n",
    )
    cell = ["python", "-c", CELL]
    said = printed(images.client, image.name, cell, user="1000:1000", network_mode="none")
    assert "'status': 'ok'" in said.decode()


@pytest.mark.parametrize("script", ['install.packages("nothing")\n', "stop('nothing is left')\n"])
def test_a_package_that_cannot_be_installed_fails_the_build(build, script):
    """For R itself it is but a warning."""
    with pytest.raises(BuildFailed) as caught:
        build(runtime_txt=f"r-{DAY}\n", install_R=script)
    assert "nothing" in "\n".join([caught.value.message, *caught.value.log_tail])


def test_a_package_whose_imports_are_nowhere_fails_the_build(build):
    about = "Package: mine\nVersion: 1.0\nTitle: M\nDescription: M.\nLicense: CC0\nAuthor: We\n"
    with pytest.raises(BuildFailed):
        build(
            runtime_txt=f"r-{DAY}\n",
            DESCRIPTION=f"{about}Imports: nothing\nMaintainer: We <we@example.org>\n",
            NAMESPACE="\n",
        )
    assert "dependency ‘nothing’ is not available for package ‘mine’" in "\n".join(build.log)
