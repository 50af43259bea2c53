"""Students read what builds make, whatever umask whoever starts the launcher has."""

from __future__ import annotations

import subprocess
import sys

import pytest

from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from tests.git_server import GitServer, Repo

pytestmark = pytest.mark.slow
SETTINGS = """\
runtime: local
git: {{hosts: ["{host}"]}}
base: {{server: ["jupyter-server>=2,<3", "ipykernel>=6.29"]}}
"""


def test_a_local_build_is_open_to_students_and_secrets_are_closed(tmp_path, local_root):
    data, settings = local_root / "umask", tmp_path / "settings.yml"
    Repo.create(tmp_path / "git/env", {"start": '#!/bin/bash\nexec "$@"\n'}, tag="v1")
    with GitServer(tmp_path / "git") as host:
        settings.write_text(SETTINGS.format(host=host.host))
        words = ["env", "build", f"git/{host.url('env')}@v1"]
        subprocess.run(
            [sys.executable, "-m", "launcher", *words, "--settings", settings, "--data", data],
            umask=0o077,
            check=True,
            timeout=300,
        )
    images = RUNTIMES["local"](load_config(settings, data=str(data)), "x").images
    (image,) = images.list_images()
    place = images.place(image.name)
    links = [one for one in place.rglob("*") if one.is_symlink()]
    closed = [
        one
        for one in {place, *place.rglob("*")} - set(links)
        if one.stat().st_mode & 0o444 != 0o444 or (one.is_dir() and one.stat().st_mode & 0o5 != 0o5)
    ]
    assert (place / "repo/start").is_file()
    assert closed == []
    secrets = [data, data / "secret.key", data / "launcher.sqlite"]
    assert [one for one in secrets if one.stat().st_mode & 0o077] == []
