"""Numbers for Prometheus: launches, builds and their seconds by outcome, and what is under way.

Launches are counted since the launcher started; builds come from their records on disk, so those
of the command line and of the time before a restart count too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from envs.build import Build
from envs.store import Store
from launcher.errors import NoRoom
from launcher.launch import Opened, Tell
from launcher.queue import Queue
from link_generator.link import Link

Run = Callable[[Link, str, Tell], Opened]
LAUNCH_SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
BUILD_SECONDS = (5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)


@dataclass(frozen=True)
class Metrics:
    """What `/metrics` tells; one per app, with a registry of its own."""

    store: Store
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.registry.register(Builds(self.store))

    def measured(self, run: Run) -> Run:
        """The same launch, counted."""
        ended = Counter(
            "launcher_launches", "Launches that ended", ["outcome"], registry=self.registry
        )
        took = Histogram(
            "launcher_launch_seconds",
            "Seconds from the click to the notebook's address, or to the error",
            ["outcome"],
            buckets=LAUNCH_SECONDS,
            registry=self.registry,
        )
        now = Gauge("launcher_launches_in_progress", "Launches under way", registry=self.registry)
        for outcome in ("success", "failure"):
            ended.labels(outcome)
            took.labels(outcome)

        def counted(link: Link, student: str, tell: Tell) -> Opened:
            began, outcome = time.monotonic(), "failure"
            with now.track_inprogress():
                try:
                    opened = run(link, student, tell)
                    outcome = "success"
                    return opened
                except NoRoom:
                    outcome = ""  # it waits, and is told again from the beginning
                    raise
                finally:
                    if outcome:
                        ended.labels(outcome).inc()
                        took.labels(outcome).observe(time.monotonic() - began)

        return counted

    def of_queue(self, queue: Queue) -> Callable[[float], None]:
        """Show the line and the room; takes the seconds that each one waited."""
        length = Gauge("launcher_queue_length", "Students in line", registry=self.registry)
        length.set_function(queue.length)
        room = Gauge("launcher_room_bytes", "Memory for sessions", ["what"], registry=self.registry)
        room.labels("all").set(queue.capacity.plan.memory)
        room.labels("taken").set_function(queue.capacity.used)
        held = Gauge("launcher_room_sessions", "Sessions with room", registry=self.registry)
        held.set_function(lambda: len(queue.capacity.held()))
        waited = Histogram(
            "launcher_queue_seconds",
            "Seconds in line of those who got a place",
            buckets=LAUNCH_SECONDS,
            registry=self.registry,
        )
        return waited.observe

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self.registry)


@dataclass(frozen=True, eq=False)  # a registry keeps it as a key
class Builds(Collector):
    """Reads the builds' records when somebody asks."""

    store: Store

    def collect(self) -> Iterator[Metric]:
        ended = self.store.records.all()
        running = [one for one in self.store.records.unfinished() if one.outcome == "running"]
        total = CounterMetricFamily(
            "launcher_builds", "Builds of environments that ended", labels=["outcome"]
        )
        took = HistogramMetricFamily(
            "launcher_build_seconds", "Seconds that builds took", labels=["outcome"]
        )
        for outcome in sorted({"built", "failed", *(one.outcome for one in ended)}):
            of_it = [one for one in ended if one.outcome == outcome]
            total.add_metric([outcome], len(of_it))
            took.add_metric([outcome], buckets(of_it), sum(one.seconds for one in of_it))
        yield total
        yield took
        yield GaugeMetricFamily(
            "launcher_builds_in_progress", "Builds under way or waiting", value=len(running)
        )

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not read the disk."""
        return iter(())


def buckets(builds: Sequence[Build]) -> list[tuple[str, float]]:
    """How many builds took up to so many seconds, as Prometheus counts them."""
    counts = [
        (str(float(most)), float(sum(one.seconds <= most for one in builds)))
        for most in BUILD_SECONDS
    ]
    return [*counts, ("+Inf", float(len(builds)))]
