"""What killed processes left goes; what is whole, young or a student's stays."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from launcher.cleanup import leftovers
from tests.waiting import wait_for

LEFT = [
    "homes/student/.new-abc123/",
    "homes/student/.new-content-x/deep/file",
    "homes/student/.delivered-abcd_123",
    "bin/.new-20260101-1/about.json",
    "content/mirrors/course-1.new/HEAD",
    "content/mirrors/course-1/shallow.lock",
    "content/mirrors/course-1/refs/launcher/commits/a.lock",
    "content/mirrors/course-1/tmpabc",
    "content/mirrors/course-1/objects/pack/tmp_pack_1",
    "content/clones/course-1/.abc.new-x/file",
    "content/packs/course-1/tmpx",
    "builds/sources/.checkout-x/file",
    "builds/sources/.gone-x/file",
    "builds/tmpabcd1234",
    "builds/logs/env/x.tmp",
    "builds/logs/env/tmpabcd1234",
    "builds/locks/tmpabcd1234",
    "envs/tmpabcd1234",
    "rehearsals/tmpabcd1234",
    "run/local/tmpabcd1234",
    "run/tmpabc",
    "tmpabcd1234",
]
KEPT = [
    "homes/student/course/.new-content-mine",
    "homes/student/.delivered-intro-0a1b2c3d-course.json",
    "homes/student/.delivered-c-0a1b2c3d-.json",
    "bin/20260101-1/home/tmpabcd1234",
    "homes/student/course/tmpabcd1234",
    "homes/student/course/deep/a.lock",
    "homes/student/course.json",
    "content/mirrors/course-1/HEAD",
    "content/mirrors/course-1/objects/pack/pack-1.pack",
    "content/clones/course-1/abc/file",
    "content/locks/abc",
    "builds/sources/x-abc/file",
    "builds/logs/env/x.json",
    "builds/versions.json",
    "builds/versions.lock",
    "run/routes.json",
    "secret.key",
    "launcher.sqlite",
    "serve.lock",
]


def make(data, names):
    for name in names:
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir() if name.endswith("/") else path.write_text("x")


def age(data, seconds):
    then = time.time() - seconds
    for folder, folders, files in os.walk(data, topdown=False):
        for name in [*files, *folders]:
            os.utime(os.path.join(folder, name), (then, then), follow_symlinks=False)


def names(data):
    found = [Path(folder, name) for folder, _, files in os.walk(data) for name in files]
    return {str(path.relative_to(data)) for path in found}


def test_only_what_nobody_will_finish_goes(tmp_path):
    make(tmp_path, LEFT + KEPT)
    age(tmp_path, 7200)
    found = list(leftovers.find(tmp_path, older=3600))
    assert len(found) == len(LEFT)
    assert all(leftovers.remove(one) for one in found)
    assert names(tmp_path) == set(KEPT)
    assert not list(leftovers.find(tmp_path, older=3600))


def test_what_is_young_may_still_be_in_the_making(tmp_path):
    make(tmp_path, LEFT)
    assert not list(leftovers.find(tmp_path, older=3600))


def test_a_leftover_of_any_depth_goes_and_holds_no_other_up(tmp_path, dig):
    make(tmp_path, LEFT)
    age(tmp_path, 7200)
    deep = tmp_path / "content/clones/course-1/.abc.new-x"
    dig(deep)
    os.utime(deep, (1, 1))
    for one in leftovers.find(tmp_path, older=3600):
        assert leftovers.remove(one)
    assert not deep.exists()
    assert not names(tmp_path)


def test_a_link_in_a_leftover_leads_nowhere(tmp_path):
    precious = tmp_path / "elsewhere" / "work.ipynb"
    make(tmp_path, ["elsewhere/work.ipynb", "data/homes/s/.new-content-x/file"])
    made = tmp_path / "data/homes/s/.new-content-x"
    (made / "link").symlink_to(precious.parent)
    (made.parent / ".new-link").symlink_to(precious.parent)
    age(tmp_path, 7200)
    for one in leftovers.find(tmp_path / "data", older=3600):
        leftovers.remove(one)
    assert precious.read_text() == "x"
    assert not list((tmp_path / "data/homes/s").iterdir())


def test_they_go_while_the_launcher_serves_and_so_does_what_the_runtime_finds(tmp_path):
    make(tmp_path, LEFT)
    age(tmp_path, 7200)
    ended, asked = threading.Event(), []

    def sweep(**how):
        asked.append(how)
        raise OSError("the engine is away")

    tidy = threading.Thread(
        target=leftovers.regularly,
        args=(tmp_path, sweep),
        kwargs={"older": 3600, "ended": ended, "every": 0.05},
    )
    tidy.start()
    try:
        wait_for(lambda: not names(tmp_path) and len(asked) >= 2, 60)
    finally:
        ended.set()
        tidy.join(60)
    assert asked[1] == {"older": 3600, "dry_run": False}, "it goes on after what went wrong"
    assert not names(tmp_path)
    assert not tidy.is_alive()
