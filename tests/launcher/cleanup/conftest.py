from __future__ import annotations

import subprocess

import pytest

DIG = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"


@pytest.fixture
def dig(tmp_path):
    """Makes folders in folders, deeper than Python's own functions walk."""
    yield lambda folder: subprocess.run(["python3", "-c", DIG], cwd=folder, check=True)
    subprocess.run(["rm", "-rf", "--", tmp_path], check=True)  # pytest itself cannot
