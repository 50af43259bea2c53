"""Engine and browser tests run where those are; in CI a missing one is a failure."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import workers

MEMORY = Path("/dev/shm")
ROOM = 8 * 2**30
"""Bytes, several times what the environments of six workers take."""
IN_CI = os.environ.get("CI") == "true"
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""No example has a time limit: another worker may have the machine for a moment."""
# The same examples in every CI run; new ones are looked for on developers' machines.
settings.register_profile("ci", PATIENT, derandomize=True)
settings.register_profile("developer", PATIENT, derandomize=False)
settings.load_profile("ci" if IN_CI else "developer")
# Launchers of tests, here and in processes of their own, never go by this machine's settings.
os.environ["LAUNCHER_SETTINGS"] = ""


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
    package = "chromium-headless-shell"
    return "" if shutil.which(package) else f"{package} is not installed"


@functools.cache
def be_patient() -> None:
    """Workers that build at the same time keep the engine busy: it answers all the same."""
    from launcher.runtimes.docker import api

    api.QUICK = 120.0


@functools.cache
def make_base() -> None:
    """The base image, made once, by the worker that is first; the others wait for it."""
    from launcher.config import load_config
    from launcher.runtimes import RUNTIMES

    with tempfile.TemporaryDirectory(prefix="launcher-tests-") as folder:
        images = RUNTIMES["docker"](load_config(data=folder, runtime="docker"), "tests").images
        with Path(tempfile.gettempdir(), f"launcher-tests-{os.getuid()}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            images.bases.ensure("3.11", say=print)
        images.client.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = workers.heavy_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    return workers.make_scheduler(config, log)


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
    if item.get_closest_marker("docker"):
        be_patient()
        make_base()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """In CI a machine that lacks what a test needs is a failure: marks and fixtures say that."""
    report = yield
    if IN_CI and report.when == "setup" and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"needed in CI: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def data_root():
    """A folder for data that lives as long as the test run, on the disk of the real data."""
    folder = Path(tempfile.mkdtemp(prefix="launcher-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def local_root():
    """The same for the local runtime, in memory where there is room.

    Each environment without an engine is 17,000 files: seconds in memory, on a disk that four
    workers share a minute to make and remove.
    """
    found = os.statvfs(MEMORY) if MEMORY.is_dir() else None
    roomy = found and found.f_bavail * found.f_frsize > ROOM and not found.f_flag & os.ST_NOEXEC
    folder = Path(tempfile.mkdtemp(prefix="launcher-tests-", dir=MEMORY if roomy else None))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
