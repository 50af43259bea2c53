"""The app is killed while it builds: nothing half is used, and the next click builds."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time

import docker
import pytest

from envs.records import Records
from launcher.rehearsal.click import Click, ClickFailed
from tests.e2e.conftest import ARTEFACTS, make_box
from tests.git_server import Repo
from tests.waiting import wait_for

pytestmark = pytest.mark.docker
DOCKERFILE = """FROM launcher/base:3.11
RUN echo {mark} && sleep 1
RUN echo {mark} > /tmp/built && sleep 1
"""


@pytest.fixture(scope="module")
def box(data_root):
    root = data_root / "killed-builds"
    root.mkdir()
    box = make_box(root, "docker")
    box.kills = Repo.create(box.git.root / "kills")
    box.start()
    yield box
    if box.process.poll() is None:
        box.cli("session", "stop", "all")
        box.stop()
    box.git.stop()
    ARTEFACTS.mkdir(exist_ok=True)
    (ARTEFACTS / "killed-builds.log").write_text(box.log_text())
    box.clean()


def good_images(box):
    """Names that sessions would start from."""
    with contextlib.closing(docker.from_env()) as engine:
        rows = engine.api.images(filters={"label": f"launcher.env.repo={box.git.url('kills')}"})
    names = [name for row in rows for name in row["RepoTags"] or ()]
    return [name for name in names if name.startswith("env/")]


def containers_of_builds(box):
    """What a build of this test's repository left running or ended."""
    with contextlib.closing(docker.from_env()) as engine:
        rows = engine.api.images(filters={"label": f"launcher.env.repo={box.git.url('kills')}"})
        mine = {row["Id"] for row in rows}
        every = engine.api.containers(all=True, filters={"name": "launcher-build-"})
        return [one["Names"][0] for one in every if one["ImageID"] in mine]


# In the steps, at their end, and while the image is tried.
@pytest.mark.parametrize(("number", "moments"), [(1, (0.1, 1.0)), (2, (1.0, 2.2)), (3, (2.2, 4.0))])
def test_a_kill_in_a_build_is_an_interrupted_build_and_the_next_click_builds(box, number, moments):
    moment = random.SystemRandom().uniform(*moments)
    began = time.monotonic()
    dockerfile = DOCKERFILE.format(mark=f"{box.git.port}-{number}")
    box.kills.commit({"Dockerfile": dockerfile})
    box.kills.git("tag", f"v{number}")
    link = box.link(env=f"{box.git.url('kills')}@v{number}")
    first = Click()

    def click():
        with contextlib.suppress(ClickFailed, OSError):
            first.open(link, lambda line: None, timeout=60)

    thread = threading.Thread(target=click)
    thread.start()
    wait_for(lambda: list((box.data / "builds" / "logs").glob("*/now")))
    time.sleep(moment)
    box.stop(signal.SIGKILL)
    thread.join(60)
    first.browser.close()
    records = Records(box.data / "builds")
    assert [one.outcome for one in records.unfinished()] == ["interrupted"]
    assert len(good_images(box)) == number - 1, "nothing half is taken for good"

    box.start()
    second = Click()
    second.open(link, lambda line: None, timeout=120)
    assert second.browser.get(f"{second.session_url}api/status", timeout=10).status_code == 200
    second.browser.close()
    assert len(good_images(box)) == number
    own = [one.outcome for one in records.all() if one.ref == f"v{number}"]
    assert own == ["interrupted", "built"]
    assert records.unfinished() == []
    assert containers_of_builds(box) == []
    print(f"\n[builds] killed {moment:.1f} s into the build, all {time.monotonic() - began:.0f} s")
