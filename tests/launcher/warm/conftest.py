"""A pool that wants three of one kind."""

import pytest

from launcher.warm.pool import Pool
from tests.fakes import FakeRuntime
from tests.launcher.warm.fake_warm import I1, FakeWarm, spec_of_nobody


@pytest.fixture
def runtime(tmp_path):
    return FakeRuntime()


@pytest.fixture
def warm(runtime):
    return FakeWarm(runtime)


@pytest.fixture
def pool(runtime, warm):
    wishes = {I1: 3}
    pool = Pool(
        runtime,
        warm,
        spec_of_nobody,
        lambda session: True,
        lambda session: None,
        wishes=lambda: wishes,
        most=10,
        every=0.01,
        start_timeout=60.0,
    )
    pool.asked = wishes
    yield pool
    pool.stop()
