"""environment.yml with conda packages without an engine: the same names, the same kernel."""

from __future__ import annotations

import contextlib
import uuid
from urllib.request import urlopen

import pytest

from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.session import Limits, SessionSpec
from tests.conda_channel import make_channel
from tests.e2e.conftest import WITHOUT_LAB
from tests.waiting import wait_for

pytestmark = pytest.mark.slow
YML = """\
channels: [conda-forge]
dependencies: [python=3.11, hello-data=1.*, pip: [cowsay]]
"""
KERNEL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(startup_timeout=250, kernel_name="python3")
client.execute_interactive(
    "import hello_data, cowsay, sys; print(hello_data.VERSION, sys.prefix)")
manager.shutdown_kernel(now=True)
"""


@pytest.fixture(scope="module")
def runtime(local_root):
    channel = make_channel(local_root / "local-channel")
    config = load_config(
        data=str(local_root / "local-conda"),
        runtime="local",
        conda__channels={"conda-forge": f"file://{channel}"},
        base__server=WITHOUT_LAB["base"]["server"],
    )
    return RUNTIMES["local"](config, uuid.uuid4().hex[:12])


def test_a_session_has_a_kernel_of_the_environment(runtime, tmp_path):
    (tmp_path / "environment.yml").write_text(YML)
    recipe, name = read_recipe(tmp_path), f"env/test:{uuid.uuid4().hex[:12]}"
    assert runtime.images.plan(recipe, tmp_path)
    runtime.images.build(name, recipe, source=tmp_path, labels={}, say=print)
    assert "hello-data-1.1-0.tar.bz2#" in runtime.images.lock(name)
    assert "cowsay==" in runtime.images.lock(name)
    spec = SessionSpec(
        id=uuid.uuid4().hex[:24], owner="student", course="course", image=name, link="",
        token="secret", home=runtime.folder / "homes" / "student",
        limits=Limits(memory=1 << 30, cpus=1.0, processes=512),
    )  # fmt: skip
    runtime.prepare_home(spec)
    session = runtime.start(spec)
    try:
        status = f"{session.address}{spec.base_url}api/status?token=secret"
        wait_for(lambda: answer_of(status), 120)
        place = runtime.images.place(name)
        done = runtime.run(spec.id, [f"{place}/venv/bin/python", "-c", KERNEL], timeout=300)
        assert done.out.decode().split() == ["1.1", f"{place}/conda/env"]
        assert runtime.run(spec.id, ["hello-data"]).out == b"1.1\n"
    finally:
        runtime.stop(spec.id)
        runtime.images.remove_image(name)


def answer_of(url):
    with contextlib.suppress(OSError):
        return urlopen(url, timeout=30).read()
