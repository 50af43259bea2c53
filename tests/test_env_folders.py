"""Every shape of an environment repository, built for real; see env_folders/README.md."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envs.errors import EnvError
from envs.halt import NO_HALT
from envs.readers import read_recipe
from envs.store import opening
from envs.version import Version
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.local import conda
from tests.conda_channel import make_channel
from tests.containers import printed
from tests.e2e.conftest import WITHOUT_LAB

FOLDERS = Path(__file__).parent / "env_folders"
LONGEST = 900.0
"""Seconds of one build: one that hangs is told with its log, and holds up nothing."""
ABOUT = ("verify", "said", "refused", "local")
SHAPES = sorted(path.name for path in FOLDERS.iterdir() if path.is_dir())
LOCAL = [name for name in SHAPES if (FOLDERS / name / "local").exists()]


class Shapes:
    """Builds the shapes that are asked for, a few at a time."""

    def __init__(self, runtime, folder):
        self.images = runtime.images
        self.folder = folder
        self.pool = ThreadPoolExecutor(max_workers=3)
        self.names = {}
        self.asked = {}

    def ask(self, shape):
        self.asked[shape] = self.pool.submit(self.build, shape)

    def build(self, shape):
        """The image's name, or the error, and the log."""
        source, log = self.folder / shape, []
        shutil.copytree(
            FOLDERS / shape, source, symlinks=True, ignore=shutil.ignore_patterns(*ABOUT)
        )
        version = Version("https://git.example.org/shape", "v1", "0" * 40, "tag")
        name = f"env/test:{uuid.uuid4().hex[:12]}"
        try:
            recipe = read_recipe(source)
            log += opening(version, name, recipe, 0.0)
            self.images.plan(recipe, source)
            how = {"labels": {"launcher.env.name": name}, "say": log.append}
            halt = NO_HALT.within(LONGEST)
            self.images.build(name, recipe, source=source, cache="tests", halt=halt, **how)
        except EnvError as error:
            return error, "\n".join(log)
        return name, "\n".join(log)

    def end(self):
        self.pool.shutdown(cancel_futures=True)
        for asked in self.asked.values():
            if not asked.cancelled() and isinstance(asked.result()[0], str):
                self.images.remove_image(asked.result()[0])


def shapes_of(kind, request, root, **settings):
    channel = make_channel(root / f"channel-{kind}")
    config = load_config(
        data=str(root / f"shapes-{kind}"),
        runtime=kind,
        conda__channels={"conda-forge": f"file://{channel}"},
        # Those for repo2docker need what no test can reach; its own tests are elsewhere.
        environments__builder="native",
        **settings,
    )
    folder = root / f"shapes-{kind}-sources"
    folder.mkdir()
    shapes = Shapes(RUNTIMES[kind](config, uuid.uuid4().hex[:12]), folder)
    for item in request.session.items:
        if item.path == Path(__file__) and item.originalname.endswith(kind):
            shapes.ask(item.callspec.params["shape"])
    return shapes


@pytest.fixture(scope="module")
def on_docker(request, data_root):
    shapes = shapes_of("docker", request, data_root)
    yield shapes
    shapes.end()


@pytest.fixture(scope="module")
def on_local(request, local_root):
    """Each shape installs the server anew, and none is about JupyterLab."""
    server = WITHOUT_LAB["base"]["server"]
    shapes = shapes_of("local", request, local_root, base__server=server)
    yield shapes
    shapes.end()


def check(shape, found, log):
    """What the folder says of its build, true; the script to run inside, if there is one."""
    folder = FOLDERS / shape
    if (folder / "refused").exists():
        assert isinstance(found, EnvError), f"it was built:\n{log}"
        said = "\n".join([found.message, *getattr(found, "log_tail", ())])
        assert (folder / "refused").read_text().strip() in said
        return ""
    assert not isinstance(found, EnvError), f"{found.message} {found.hint}\n{log}"
    for line in (folder / "said").read_text().splitlines() if (folder / "said").exists() else ():
        assert line in log
    return (folder / "verify").read_text()


@pytest.mark.docker
@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_is_built_on_docker(on_docker, shape):
    found, log = on_docker.asked[shape].result()
    script = check(shape, found, log)
    if script:
        printed(
            on_docker.images.client, found, ["bash", "-ec", script],
            working_dir="/srv/repo", user="1000:1000", network_mode="none",
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("shape", LOCAL)
def test_the_shape_is_built_on_local(on_local, shape):
    found, log = on_local.asked[shape].result()
    script = check(shape, found, log)
    place = on_local.images.place(found)
    path = f"/nowhere:{place}/venv/bin:/usr/bin:/bin"
    environment = {
        "PATH": path,
        "NB_PYTHON_PREFIX": f"{place}/venv",
        **conda.variables(place, path),
    }
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=place / "repo",
        env={**environment, "HOME": os.devnull},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_folder_says_what_is_expected():
    for name in SHAPES:
        present = {about for about in ABOUT if (FOLDERS / name / about).exists()}
        assert ("verify" in present) != ("refused" in present), name
    assert len(SHAPES) >= 30
