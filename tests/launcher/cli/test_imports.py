"""A command imports what it needs: everything else is a second that somebody waits."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from launcher.__main__ import COMMANDS, main


@pytest.mark.parametrize(
    ("code", "unneeded"),
    [
        ("import launcher.__main__ as it; it.main([])", "aiohttp alembic docker flask sqlalchemy"),
        ("import launcher.cli.session, launcher.parts", "aiohttp alembic flask"),
        ("import launcher.cli.env, launcher.parts", "aiohttp alembic flask"),
        ("import launcher.cli.serve, launcher.serve", "aiohttp alembic"),
    ],
    ids=["overview", "session", "env", "serve"],
)
def test_what_a_command_does_not_need_is_not_imported(code, unneeded):
    script = f"{code}\nimport sys\nprint(*sorted(sys.modules), file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(ran.stderr.split()) & set(unneeded.split()) == set()


def test_the_overview_says_what_every_command_does(capsys):
    assert main([]) == 2
    said = capsys.readouterr().out.split("positional arguments:")[1].split("options:")[0]
    for name, what in COMMANDS.items():
        assert f"{name} {what}" in " ".join(said.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_words(name, capsys):
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: launcher {name} ")
    assert len(said.split()) > 25


def test_each_action_s_help_says_what_it_does(capsys):
    for words, what in (("env build", "build an environment now"), ("session stop", "files stay")):
        with pytest.raises(SystemExit):
            main([*words.split(), "--help"])
        assert what in capsys.readouterr().out.split("options:")[0]


def test_its_version_is_told(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"launcher {version('split-launcher')}\n"
