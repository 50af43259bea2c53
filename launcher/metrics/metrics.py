"""Numbers for Prometheus: launches, pulls and builds with their seconds, and what is under way.

Launches and pulls are counted since the launcher started; builds come from their records on disk,
so those of the command line and of the time before a restart count too. What is true now is in
`launcher/metrics/gauges.py`.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
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
from launcher.progress import Phase, Progress
from launcher.room.queue import Queue
from link_generator.link import Link

Run = Callable[[Link, str, Tell], Opened]
OUTCOMES = ("success", "failure")
PULL_SECONDS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)
LAUNCH_SECONDS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)
BUILD_SECONDS = (5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600)


@dataclass(frozen=True)
class Metrics:
    """What `/metrics` tells; one per app, with a registry of its own."""

    store: Store
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        self.registry.register(Builds(self.store))
        ProcessCollector(registry=self.registry)
        for outcome in OUTCOMES:
            self._pulls.labels(outcome)

    @functools.cached_property
    def _pulls(self) -> Histogram:
        return Histogram(
            "launcher_pull_seconds",
            "Seconds to bring the content into a student's folder",
            ["outcome"],
            buckets=PULL_SECONDS,
            registry=self.registry,
        )

    def pulled(self, outcome: str, seconds: float) -> None:
        """A pull has ended; `outcome` is `success` or `failure`."""
        self._pulls.labels(outcome).observe(seconds)

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
        stepped = Histogram(
            "launcher_launch_step_seconds",
            "Seconds of each step of a launch; the one in which it failed is a failure",
            ["step", "outcome"],
            buckets=LAUNCH_SECONDS,
            registry=self.registry,
        )
        now = Gauge("launcher_launches_in_progress", "Launches under way", registry=self.registry)
        for outcome in OUTCOMES:
            ended.labels(outcome)
            took.labels(outcome)

        def counted(link: Link, student: str, tell: Tell) -> Opened:
            began, outcome = time.monotonic(), "failure"
            steps = Steps(lambda step, outcome, took: stepped.labels(step, outcome).observe(took))

            def told(progress: Progress) -> None:
                steps.at(progress.phase)
                tell(progress)

            with now.track_inprogress():
                try:
                    opened = run(link, student, told)
                    outcome = "success"
                    return opened
                except NoRoom:
                    outcome = ""  # it waits, and is told again from the beginning
                    raise
                finally:
                    if outcome:
                        steps.end(outcome)
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


@dataclass
class Steps:
    """Times the steps of one launch from what it tells; one that comes back counts again."""

    observe: Callable[[str, str, float], None]
    """Takes a step's name, its outcome and its seconds."""
    step: str = ""
    began: float = 0.0

    def at(self, phase: Phase) -> None:
        """The launch is at this step now."""
        if phase.value != self.step:
            self.end("success")
            self.step, self.began = phase.value, time.monotonic()

    def end(self, outcome: str) -> None:
        """The step that is under way has ended."""
        if self.step:
            self.observe(self.step, outcome, time.monotonic() - self.began)
        self.step = ""


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
