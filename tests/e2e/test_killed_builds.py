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
from launcher.runtimes.docker import leftovers
from tests.e2e.conftest import make_box
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
    with box.running(log="killed-builds"):
        yield box
    box.clean()


def good_images(box):
    """Names that sessions would start from."""
    with contextlib.closing(docker.from_env()) as engine:
        rows = engine.api.images(filters={"label": f"launcher.env.repo={box.git.url('kills')}"})
    names = [name for row in rows for name in row["RepoTags"] or ()]
    return [name for name in names if name.startswith("env/")]


def containers_of_builds(engine, box):
    """What a build of this test's repository left running or ended."""
    rows = engine.api.images(filters={"label": f"launcher.env.repo={box.git.url('kills')}"})
    mine = {row["Id"] for row in rows}
    named = {"name": "launcher-build-"}
    every = engine.containers.list(all=True, filters=named, ignore_removed=True)
    return [one for one in every if one.attrs["Image"] in mine]


def nothing_is_left_for_long(box):
    """A container in which an image was tried ends by itself, and the clean-up knows it.

    A kill between its creation and its start leaves one that never runs.
    """
    over = {"exited", "created"}
    with contextlib.closing(docker.from_env()) as engine:
        wait_for(lambda: {one.status for one in containers_of_builds(engine, box)} <= over, 180)
        before = containers_of_builds(engine, box)
        swept = leftovers.sweep(engine, older=0, cache=1 << 50, dry_run=True)
        left = [one for one in containers_of_builds(engine, box) if one in before]
        assert {("container", one.name) for one in left} <= {row[:2] for row in swept}
        for one in left:
            with contextlib.suppress(docker.errors.NotFound):  # somebody else's clean-up was first
                one.remove()


def kill_in_build(box, ref, line, moment):
    """The app, so many seconds after its build of a new commit has printed the line."""
    records = Records(box.data / "builds")
    box.kills.commit({"Dockerfile": DOCKERFILE.format(mark=f"{box.git.port}-{ref}")})
    box.kills.git("tag", ref)
    first = Click()

    def click():
        with contextlib.suppress(ClickFailed, OSError):
            first.open(
                box.link(env=f"{box.git.url('kills')}@{ref}"), lambda line: None, timeout=600
            )

    thread = threading.Thread(target=click)
    thread.start()
    (build,) = wait_for(records.unfinished, 180)
    wait_for(lambda: line in records.log(build.name), 300, every=0.01)
    time.sleep(moment)
    box.stop(signal.SIGKILL)
    thread.join(60)
    first.browser.close()


# In the steps, at their end, and while the image is tried; up to so many seconds later.
@pytest.mark.parametrize(
    ("number", "line", "most"),
    [(1, "&& sleep 1", 0.9), (2, "/tmp/built", 1.2), (3, "Checking that sessions can start", 0.2)],
)
def test_a_kill_in_a_build_is_an_interrupted_build_and_the_next_click_builds(
    box, number, line, most
):
    moment = random.SystemRandom().uniform(0.0, most)
    records = Records(box.data / "builds")
    began = time.monotonic()
    for once_more in range(3):
        ref, before = f"v{number}-{once_more}", len(good_images(box))
        kill_in_build(box, ref, line, moment)
        if records.unfinished():
            break
        box.start()  # this process stood still for a second, and the build was over
    link = box.link(env=f"{box.git.url('kills')}@{ref}")
    assert [one.outcome for one in records.unfinished()] == ["interrupted"]
    assert len(good_images(box)) == before, "nothing half is taken for good"

    box.start()
    second = Click()
    second.open(link, lambda line: None, timeout=600)
    assert second.browser.get(f"{second.session_url}api/status", timeout=60).status_code == 200
    second.browser.close()
    assert len(good_images(box)) == before + 1
    own = [one.outcome for one in records.all() if one.ref == ref]
    assert own == ["interrupted", "built"]
    assert records.unfinished() == []
    nothing_is_left_for_long(box)
    print(f"\n[builds] killed {moment:.1f} s after {line!r}, all {time.monotonic() - began:.0f} s")
