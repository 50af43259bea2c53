"""The program runs in images that know nothing of the launcher, with an older Python."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import launcher.content.reconcile
from launcher.content.shipping import LOADER, zipped_program

MODULES = sorted(Path(launcher.content.reconcile.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_it_is_python_3_8_and_the_standard_library(module):
    tree = ast.parse(module.read_text("utf-8"), feature_version=(3, 8))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module)
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names


def ask(request: dict, folder: Path) -> dict:
    """As the launcher ships it, from outside of its own tree."""
    program = zipped_program()
    stdin = len(program).to_bytes(8, "big") + program + (0).to_bytes(8, "big")
    done = subprocess.run(
        [sys.executable, "-I", "-c", LOADER, json.dumps(request)],
        input=stdin,
        capture_output=True,
        cwd=folder,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_end_is_an_answer(tmp_path):
    request = {"folder": "course", "url": "https://x.example/y", "commit": "0" * 40, "branch": "m"}
    assert ask(request, tmp_path) == {"need": True}
    (tmp_path / "file").write_text("f")
    answer = ask(request | {"folder": str(tmp_path / "file")}, tmp_path)
    assert "cannot be used" in answer["error"]
