"""`launcher base`: the bases of the builder, and a sentence where it has none."""

from types import SimpleNamespace

import pytest

from envs.base import Base
from launcher.__main__ import main
from tests.envs.fake_builder import FileBuilder


class FakeBases:
    """Bases that are words in a list."""

    def __init__(self):
        self.done = []

    def base(self, python):
        return Base(python=python, release="bookworm", server=(), uv="1")

    def ensure(self, python, *, say):
        self.done.append(f"ensure {python}")
        return self.base(python)

    def build(self, base, *, say):
        self.done.append(f"build {base.python}")


@pytest.fixture
def builder(tmp_path, monkeypatch):
    builder = FileBuilder(tmp_path)
    parts = SimpleNamespace(store=SimpleNamespace(builder=builder), why_runtime="local, for a demo")
    monkeypatch.setattr("launcher.parts.create_parts", lambda config: parts)
    return builder


def test_each_base_is_there_afterwards_and_built_anew_only_with_again(builder, tmp_path, capsys):
    builder.bases = FakeBases()
    assert main(["base", "build", "3.11", "3.12", "--data", str(tmp_path)]) == 0
    assert "launcher/base:3.12-" in capsys.readouterr().out
    assert main(["base", "build", "--again", "--data", str(tmp_path)]) == 0
    assert builder.bases.done == ["ensure 3.11", "ensure 3.12", "build 3.11"]


def test_a_builder_without_bases_says_so(builder, tmp_path, capsys):
    assert main(["base", "build", "--data", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "There are no base images without Docker (local, for a demo)." in said
