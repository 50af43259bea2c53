"""The storm itself: one student clicks, one container starts, and the figures are those."""

from __future__ import annotations

import math

import docker
import pytest

from benchmarks.storm import __main__ as bench
from benchmarks.storm.report import Row, plain_row, row_of, targets


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


@pytest.mark.docker
@pytest.mark.slow
def test_one_student_and_one_container(monkeypatch, capsys):
    words = ["storm", "--students", "1", "2", "--room", "1", "--only", "cold", "plain", "full"]
    monkeypatch.setattr("sys.argv", words)
    assert bench.main() == 0
    said = capsys.readouterr().out
    for what in ("a click, pool empty, 1", "docker run, same image, 2", "a click, box full, 2"):
        assert what in said
    assert "1 at once, 1 in line, told places [1] to [1]; 2 of 2 served" in said
    assert "met    failures: 0" in said
    engine = docker.from_env()
    assert not engine.api.containers(all=True, filters={"network": "launcher-storm"})
    engine.close()
