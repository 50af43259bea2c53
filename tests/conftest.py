"""Engine and browser tests run where those are; in CI a missing one is a failure."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

IN_CI = os.environ.get("CI") == "true"
# The same examples in every CI run; new ones are looked for on developers' machines.
settings.register_profile("ci", derandomize=True)
settings.load_profile("ci" if IN_CI else "default")


@functools.cache
def why_no_docker() -> str:
    import docker

    try:
        docker.from_env().ping()
        return ""
    except Exception as error:  # whatever it is, the test says it
        return f"no Docker engine answers: {error}"


@functools.cache
def why_no_browser() -> str:
    return "" if shutil.which("chromium") else "chromium is not installed (package chromium)"


def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = ""
    if item.get_closest_marker("docker"):
        missing = why_no_docker()
    if item.get_closest_marker("browser"):
        missing = missing or why_no_browser()
    if missing and IN_CI:
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def data_root():
    """A folder for data that lives as long as the test run, on the disk of the real data."""
    folder = Path(tempfile.mkdtemp(prefix="launcher-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
