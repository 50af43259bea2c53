"""The comparison of builds itself: it builds what it says, and leaves nothing behind."""

from __future__ import annotations

import pytest

from benchmarks.build import again
from benchmarks.build.bench import bench, cache_of
from benchmarks.build.packages import by_pip, by_uv
from benchmarks.build.starts import WITHOUT, import_once
from benchmarks.start import start_to_status
from tests.containers import printed

pytestmark = pytest.mark.docker


def has_bytecode(running, image):
    script = "ls /srv/env/lib/python3.11/site-packages/__pycache__/six.*.pyc 2>/dev/null | wc -l"
    said = printed(running.engine, image, ["sh", "-c", script], network_mode="none")
    return said.strip() == b"1"


def test_both_installers_make_the_same_thing_and_nothing_stays(tmp_path):
    with bench(tmp_path, ("six==1.16.0",), "cowsay==6.1") as running:
        uv = running.build("uv", by_uv(running, "uv0"))
        pip = running.build("pip", by_pip(running, "pip0"))
        bare = running.build("bare", f"RUN : {running.mark}; {WITHOUT}", base=uv)
        assert [has_bytecode(running, one) for one in (uv, pip, bare)] == [True, True, False]
        import_once(running, uv, "six")
        start_to_status(running.engine, uv)
        found = list(again.ratios(running, rounds=1))
        assert [one.ours > 0 for one in found] == [True, True]
        assert len(set(running.made)) == 5
        made, mark = running.made, running.mark
        assert all(running.images.engine.has_image(name) for name in made)
        assert cached(running, mark) == {"regular", "exec.cachemount"}
        running.tidy()  # what images still use stays until they go
    with bench(tmp_path, (), "") as later:
        assert not any(later.images.engine.has_image(name) for name in made)
        assert cached(later, mark) == set()


def cached(running, mark):
    """The kinds of records that a run has in the engine's build cache."""
    return {row["Type"] for row in cache_of(running.engine) if mark in row["Description"]}
