"""Which runtime a launcher gets: the data folder's of before, and no other by accident."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from launcher import runtimes
from launcher.cli import Context, demo
from launcher.config import load_config
from launcher.errors import NoRuntime
from launcher.people import identity
from tests.fakes import FakeRuntime


@pytest.fixture
def engine(monkeypatch):
    """An engine that can go away; the local runtime always works."""
    engine = SimpleNamespace(there=True, sick=None)

    class Docker(FakeRuntime):
        def health(self):
            return engine.sick

    def docker(_config, _instance):
        if not engine.there:
            raise NoRuntime("No Docker engine answers.")
        return Docker(name="docker")

    local = {"local": lambda *_: FakeRuntime(name="local")}
    monkeypatch.setattr(runtimes, "RUNTIMES", {"docker": docker} | local)
    return engine


def choose(folder, **settings):
    config = load_config(data=str(folder), **settings)
    config.data.mkdir(parents=True, exist_ok=True)
    return runtimes.choose_runtime(config, identity.load_secret(config.data))[0].name


def test_a_class_server_whose_engine_is_away_does_not_become_another_kind(tmp_path, engine):
    assert choose(tmp_path) == "docker"
    for engine.there, engine.sick in ((False, None), (True, "it is ill")):
        with pytest.raises(NoRuntime, match="cannot start any") as told:
            choose(tmp_path)
        assert "runtime: local" in told.value.hint
    engine.sick = None
    assert choose(tmp_path) == "docker"
    engine.there = False
    assert choose(tmp_path, runtime="local") == "local", "who says so gets it"
    assert choose(tmp_path) == "local"


def test_a_machine_without_docker_needs_no_word(tmp_path, engine):
    engine.there = False
    assert choose(tmp_path) == "local"


def test_a_demo_works_where_docker_was_once(tmp_path, engine, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    context = Context(None, {}, json=False, looks=False)
    first = demo.default_data(context, local=False)
    assert choose(first) == "docker"
    assert demo.default_data(context, local=False) == first
    engine.there = False
    second = demo.default_data(context, local=False)
    assert second != first
    assert choose(second) == "local"
    engine.there = True
    assert demo.default_data(context, local=False) == first
    assert demo.default_data(context, local=True) == second
