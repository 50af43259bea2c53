"""Builds ahead of clicks: one at a time of each version, and none lost."""

from __future__ import annotations

import threading

from envs.errors import BuildFailed
from launcher.prebuild import Prebuild
from tests.waiting import wait_for


def test_what_is_under_way_is_not_begun_again_but_a_push_is_built_after_it():
    going, free = threading.Semaphore(0), threading.Semaphore(0)

    def build(repo, ref):
        going.release()
        assert free.acquire(timeout=60)

    prebuild = Prebuild(build)
    assert prebuild.start("r", "main")
    assert going.acquire(timeout=60)
    assert not prebuild.start("r", "main")
    prebuild.pushed("r", "main")
    prebuild.pushed("r", "main")
    free.release()
    assert going.acquire(timeout=60), "the push was forgotten"
    free.release()
    assert not going.acquire(timeout=0.2), "two pushes meanwhile are one build"


def test_what_failed_rests_unless_somebody_pushes():
    ended = threading.Semaphore(0)

    def build(repo, ref):
        ended.release()
        raise BuildFailed("no")

    prebuild = Prebuild(build, pause=600)
    prebuild.start("r", "v1")
    assert ended.acquire(timeout=60)
    wait_for(lambda: ("r", "v1") not in prebuild._busy)
    assert not prebuild.start("r", "v1")
    prebuild.pushed("r", "v1")
    assert ended.acquire(timeout=60)
    wait_for(lambda: ("r", "v1") not in prebuild._busy)
