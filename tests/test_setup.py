"""bin/setup on a checkout whose .venv something went wrong with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOUND = f"""#!/bin/sh
[ "$1" = -c ] && exec {sys.executable} "$@"
mkdir -p .venv/bin && printf '#!/bin/sh\\necho "$@" >>asked\\n' >.venv/bin/uv
chmod +x .venv/bin/uv
"""
"""A Python that has pip: what it is asked to install is there at once."""
NO_PIP = '#!/bin/sh\n[ "$1" = -c ] || exit 1\ncase "$2" in *pip*) exit 1;; esac\n'
OLD = '#!/bin/sh\n[ "$1" = -c ] || exit 0\ncase "$2" in *version_info*) exit 1;; esac\n'


@pytest.fixture
def checkout(tmp_path):
    """A checkout whose `python3 -m venv` takes no time, on a machine that has every package."""
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "bin" / "setup", tmp_path / "bin")
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    script(tmp_path / "sound", SOUND)
    makes = f'mkdir -p "$3/bin" && cp {tmp_path}/sound "$3/bin/python" && echo made >>made'
    script(tmp_path / "tools" / "python3", f'#!/bin/sh\n[ "$1" = -c ] && exit 0\n{makes}\n')
    for name in ("git", "bwrap", "setpriv", "debootstrap", "dockerd", "iptables", "apt-get"):
        script(tmp_path / "tools" / name, "#!/bin/sh\n")
    return tmp_path


def script(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def set_up(checkout):
    """How many venvs it made so far."""
    path = f"{checkout}/tools:{os.environ['PATH']}"
    # An engine elsewhere: none is started here.
    told = os.environ | {"PATH": path, "DOCKER_HOST": "tcp://127.0.0.1:9"}
    done = subprocess.run(
        [checkout / "bin" / "setup"], env=told, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "-e ." in (checkout / "asked").read_text()
    return (checkout / "made").read_text().count("made")


@pytest.mark.parametrize("left", [NO_PIP, OLD], ids=["half made", "of an older Python"])
def test_a_venv_that_is_of_no_use_is_made_anew(checkout, left):
    script(checkout / ".venv" / "bin" / "python", left)
    assert set_up(checkout) == 1


def test_a_venv_whose_python_is_gone_is_made_anew_even_where_all_was_done(checkout):
    assert set_up(checkout) == 1
    (checkout / ".venv" / "bin" / "python").unlink()
    assert set_up(checkout) == 2


def test_a_sound_one_is_kept(checkout):
    assert set_up(checkout) == 1
    (checkout / "setup.cfg").write_text("changed")
    assert set_up(checkout) == 1
