"""Tests are shared out so that what a module makes for its tests is made once."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.workers import part_of


@pytest.mark.parametrize(
    ("test", "part"),
    [
        ("tests/a.py::test_x", "tests/a.py"),
        ("tests/a.py::test_x[docker]", "tests/a.py[docker]"),
        ("tests/a.py::test_x[local-dark]", "tests/a.py[local]"),
        ("tests/a.py::test_x_on_local[docker-file]", "tests/a.py[local]"),
        ("tests/a.py::test_x[dockerignore]", "tests/a.py"),
        ("tests/a.py::test_x[./local]", "tests/a.py"),
        ("tests/a.py::test_x[local:7]", "tests/a.py"),
    ],
)
def test_a_module_stays_in_one_worker_and_its_runtimes_may_part(test, part):
    assert part_of(test) == part


def test_python_keeps_what_it_compiled_where_the_machine_forbids_it():
    shown = subprocess.run(
        ["make", "--silent", "--eval", "shown: ; @env", "shown"],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "PATH=" in shown.stdout
    assert "PYTHONDONTWRITEBYTECODE" not in shown.stdout
