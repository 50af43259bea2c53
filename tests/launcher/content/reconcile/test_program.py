"""The program runs in images that know nothing of the launcher, with an older Python."""

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
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


def ask(request: dict, folder: Path, *, pack: bytes = b"", within: Sequence[str] = ()) -> dict:
    """As the launcher ships it, from outside of its own tree."""
    program = zipped_program()
    stdin = b"".join(len(part).to_bytes(8, "big") + part for part in (program, pack))
    done = subprocess.run(
        [*within, sys.executable, "-I", "-c", LOADER, json.dumps(request)],
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


def test_what_is_sent_goes_where_there_is_room(tmp_path, monkeypatch):
    """A session with a read-only root has a small /var/tmp in memory, and a larger /tmp."""
    small = 'mount -t tmpfs -o size=1m tmpfs /var/tmp && exec "$@"'
    within = ["unshare", "--map-root-user", "--mount", "sh", "-c", small, "sh"]
    if subprocess.run([*within, "true"], capture_output=True, check=False).returncode:
        missing = "cannot mount a small filesystem here"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    request = {"folder": "course", "url": "https://x.example/y", "commit": "0" * 40, "branch": "m"}
    answer = ask(request | {"action": "snapshots"}, tmp_path, pack=b"\0" * 2**21, within=within)
    assert "were pulled" in answer["error"]
    assert sorted(os.listdir(tmp_path)) == []
