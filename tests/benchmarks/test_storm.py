"""The storm itself: one student clicks, one container starts, and the figures are those."""

from __future__ import annotations

import contextlib
import math
import uuid

import docker
import pytest

from benchmarks.storm import __main__ as bench
from benchmarks.storm.report import Row, plain_row, row_of, targets
from launcher.runtimes.docker.network import bridge_of, network_of
from launcher.runtimes.docker.walls import NoFilter, Reach, Walls
from launcher.session import EGRESS
from tests.e2e.conftest import remove_network


def test_percentiles_are_of_those_who_got_a_notebook():
    clicks = [{"usable": float(n), "error": ""} for n in range(1, 21)]
    clicks.append({"usable": 0.0, "error": "Failed: no"})
    sessions = [{"cpu": 1.0, "memory": 50.0}, {"cpu": 3.0, "memory": 70.0}]
    row = row_of("a", {"clicks": clicks, "health": 0.05}, 2.1, sessions)
    assert (row.p50, row.p95, row.percentile(1), row.failed) == (10.0, 19.0, 20.0, 1)
    assert (row.own, row.session, row.memory) == (0.1, 2.0, 60.0)
    assert math.isnan(Row("nobody", (), 3).p50)


def test_targets_say_what_was_missed():
    rows = {
        "warm 40": Row("w", (0.4, 0.6), 0, own=0.04),
        "cold 40": Row("c", (5.0,), 1, health=0.2),
        "plain 40": plain_row("p", [{"usable": 5.0, "cpu": 1.0}]),
        "ordinary 40": plain_row("o", [{"usable": 10.0, "cpu": 3.0}]),
    }
    said = [line.split(" ", 1)[0] for line in targets(rows)]
    assert said == ["met", "met", "met", "met", "met", "MISSED", "MISSED"]


@pytest.fixture
def network(monkeypatch):
    """A network of this run alone: somebody else may measure on the same engine."""
    name = f"launcher-storm-{uuid.uuid4().hex[:8]}"
    monkeypatch.setitem(bench.SETTINGS, "docker", {"network": name})
    yield name
    names = [network_of(name, egress) for egress in EGRESS]
    with contextlib.closing(docker.from_env()) as engine:
        for one in engine.networks.list(names=names):
            remove_network(engine, one)
    with contextlib.suppress(NoFilter):  # a launcher that starts takes them down, too
        Walls(tuple(Reach(bridge_of(one), "web") for one in names)).remove()


@pytest.mark.docker
@pytest.mark.slow
def test_one_student_and_one_container(network, monkeypatch, capsys):
    words = ["storm", "--students", "1", "2", "--room", "1", "--only", "cold", "plain", "full"]
    monkeypatch.setattr("sys.argv", words)
    assert bench.main() == 0
    said = capsys.readouterr().out
    for what in ("a click, pool empty, 1", "docker run, same image, 2", "a click, box full, 2"):
        assert what in said
    assert "1 at once, 1 in line, told places [1] to [1]; 2 of 2 served" in said
    assert "met    failures: 0" in said
    with contextlib.closing(docker.from_env()) as engine:
        assert [one.name for one in engine.networks.list(names=[network])] == [network]
        assert not engine.api.containers(all=True, filters={"network": network})
