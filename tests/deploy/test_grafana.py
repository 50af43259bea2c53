"""The dashboard asks for nothing that the launcher does not tell."""

from __future__ import annotations

import json
import re
from pathlib import Path

from launcher.metrics.gauges import Gauges
from launcher.metrics.metrics import Metrics
from tests.launcher.metrics.test_metrics import NoBuilds, sessions, values  # noqa: F401

BOARD = Path(__file__).parent.parent.parent / "deploy" / "grafana.json"
WORDS = {"rate", "increase", "sum", "by", "histogram_quantile", "__rate_interval"}


def asked():
    """Each metric that a panel asks for, with the labels that it uses."""
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel["targets"]:
            said = re.sub(r'"[^"]*"', "", target["expr"])
            used = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            by = re.search(r"by \(([^)]*)\)", said)
            used |= {one.strip() for one in by[1].split(",")} if by else set()
            used |= set(re.findall(r"(\w+)=", said))
            for name in re.findall(r"\b(?:launcher|process)_\w+", said):
                yield panel["title"], name, used


def test_every_query_names_a_metric_that_exists(sessions, tmp_path):  # noqa: F811
    metrics = Metrics(NoBuilds())
    metrics.registry.register(Gauges(sessions, {"data": tmp_path}))
    metrics.of_queue(sessions.queue)
    metrics.measured(lambda link, student, tell: None)(None, "", lambda progress: None)
    text = metrics.text().decode()
    known = set(re.findall(r"^(\w+)[ {]", text, re.MULTILINE))
    known |= {f"launcher_launch_step_seconds_{end}" for end in ("bucket", "count")}
    labels = {"step", *re.findall(r'[{,](\w+)="', text)}
    found = list(asked())
    assert len(found) > 20
    for title, name, used in found:
        assert name in known, title
        assert used <= labels, title


def test_every_number_of_ours_is_on_the_dashboard(sessions, tmp_path):  # noqa: F811
    metrics = Metrics(NoBuilds())
    metrics.registry.register(Gauges(sessions, {"data": tmp_path}))
    metrics.of_queue(sessions.queue)
    shown = {re.sub("_(total|bucket|count|sum)$", "", name) for _, name, _ in asked()}
    told = re.findall(r"^# TYPE (launcher_\w+) ", metrics.text().decode(), re.MULTILINE)
    every = {re.sub("_(total|created)$", "", name) for name in told}
    assert every - shown - {"launcher_build_seconds"} == set()
