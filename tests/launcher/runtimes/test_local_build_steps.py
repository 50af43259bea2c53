"""What a step of a build is started with; nothing is started here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from launcher.runtimes.local.build_steps import BUILD_UID, BuildSteps
from launcher.runtimes.local.sandbox import ENV, SETPRIV, Sandbox
from launcher.settings.sections import CondaConfig

PLACE, HOME = Path("/data/envs/built/b1"), Path("/data/envs/built/b1-home")
STEP = ["uv", "pip", "install", "-r", "requirements.txt"]


@pytest.fixture
def steps():
    return BuildSteps(
        folder=Path("/data/envs"),
        cache=Path("/data/envs/cache-1"),
        sandbox=Sandbox(bwrap="/usr/bin/bwrap"),
        conda=CondaConfig(alias="", channels={}),
        python=Path("/usr/bin/python3"),
        index_url="",
        ca_bundle=None,
    )


def bound(argv, how):
    """The folders of this machine that the sandbox shows."""
    return [argv[at + 1] for at, word in enumerate(argv) if word == how]


def test_a_step_writes_into_its_place_its_cache_and_its_home_and_nowhere_else(steps):
    argv = steps.command(STEP, PLACE, HOME, path="/bin")
    assert bound(argv, "--bind") == [str(HOME), str(PLACE), "/data/envs/cache-1"]
    assert argv[-len(STEP) - 3 :] == [ENV, f"--chdir={PLACE}/repo", "PATH=/bin", *STEP]


def test_only_a_step_that_gets_credentials_sees_their_folder(steps):
    secret = Path("/data/envs/secret-1/netrc")
    without = bound(steps.command(STEP, PLACE, HOME, path="/bin"), "--ro-bind")
    argv = steps.command(STEP, PLACE, HOME, path="/bin", secret=secret)
    assert set(bound(argv, "--ro-bind")) - set(without) == {str(secret.parent)}


def test_a_step_sees_the_certificates_that_it_is_to_trust(steps):
    steps = replace(steps, ca_bundle=Path("/srv/campus.pem"))
    argv = steps.command(STEP, PLACE, HOME, path="/bin")
    assert "/srv/campus.pem" in bound(argv, "--ro-bind")


def test_as_root_a_step_has_the_build_s_user_and_no_privilege(steps):
    steps = replace(steps, sandbox=Sandbox(own_uids=True))
    argv = steps.command(STEP, PLACE, HOME, path="/bin")
    assert argv[:3] == [SETPRIV, f"--reuid={BUILD_UID}", f"--regid={BUILD_UID}"]
    assert argv[-len(STEP) - 2 :] == [ENV, "PATH=/bin", *STEP]
