"""What the launcher runs in a session is the image's, whatever a student put first in the PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.runtimes.own_commands import own_command, own_python


@pytest.fixture
def home(tmp_path):
    """A home with programs of the names that ours have."""
    programs = tmp_path / "home/.local/bin"
    programs.mkdir(parents=True)
    for name in ("python3", "git", "mv"):
        (programs / name).write_text("#!/bin/sh\necho the student\n")
        (programs / name).chmod(0o755)
    return tmp_path / "home"


def said(command, home, path="", **more):
    first = path or f"{home}/.local/bin:{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        command, env={"HOME": str(home), "PATH": first, **more}, cwd=home, capture_output=True,
        text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout.strip()


def test_python_is_the_images(home):
    assert said(own_python(["-c", "print('ours', 1)"]), home) == "ours 1"


def test_what_python_runs_is_the_images_too(home):
    asked = "import subprocess; subprocess.run(['git', '--version'])"
    assert said(own_python(["-c", asked]), home).startswith("git version")


def test_an_image_may_name_its_python(home):
    named = {"LAUNCHER_PYTHON": "/bin/echo"}
    assert said(own_python(["-c", "x"]), home, **named) == "-c x"


@pytest.mark.parametrize("path", ["{home}", "{home}/.local/bin", ".local/bin", ":", "", "*"])
def test_no_spelling_of_the_home_is_looked_through(home, path):
    (home / "mv").write_bytes((home / ".local/bin/mv").read_bytes())
    (home / "mv").chmod(0o755)
    before = path.format(home=home)
    assert said(own_command(["mv", "--version"]), home, f"{before}:/usr/bin").startswith("mv (")
    assert os.access(home / "mv", os.X_OK)


def test_arguments_arrive_as_they_are(home):
    assert said(own_command(["printf", "%s|", "a b", "*", "$HOME"]), home) == "a b|*|$HOME|"
