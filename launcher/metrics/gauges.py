"""What is true now, for Prometheus: sessions, memory, disks, and the gateway's own numbers.

Each is read when somebody asks; what cannot be read is left out, and the rest is told.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from launcher.errors import LaunchError
from launcher.gateway.client import GatewayClient
from launcher.machine.memory import memory
from launcher.runtimes.base import Runtime
from launcher.sessions.sessions import Sessions

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)  # a registry keeps it as a key
class Gauges(Collector):
    """The state of the machine and of what runs on it."""

    sessions: Sessions
    disks: Mapping[str, Path]
    """A folder on each disk that must not fill up, by what is on it."""

    def collect(self) -> Iterator[Metric]:
        for read in (self._sessions, self._memory, self._disks, self._health, self._gateway):
            yield from told(read)

    def describe(self) -> Iterator[Metric]:
        """Nothing: registering must not ask the engine."""
        return iter(())

    def _sessions(self) -> Iterator[Metric]:
        states = Counter("running" if one.running else "ended" for one in self._runtime.list())
        found = GaugeMetricFamily("launcher_sessions", "Sessions by state", labels=["state"])
        for state in ("running", "ended"):
            found.add_metric([state], states[state])
        yield found

    def _memory(self) -> Iterator[Metric]:
        total, free = memory()
        yield gauge("launcher_machine_memory_bytes", "Memory of this machine", total)
        yield gauge("launcher_machine_memory_available_bytes", "Memory that could be given", free)
        used = sum(self.sessions.queue.capacity.measured.now.values())
        yield gauge("launcher_sessions_memory_bytes", "Memory that sessions use", used)

    def _disks(self) -> Iterator[Metric]:
        free = GaugeMetricFamily("launcher_disk_free_bytes", "Free room", labels=["disk"])
        size = GaugeMetricFamily("launcher_disk_size_bytes", "Size of the disk", labels=["disk"])
        for name, folder in self.disks.items():
            usage = shutil.disk_usage(folder)
            free.add_metric([name], usage.free)
            size.add_metric([name], usage.total)
        yield free
        yield size

    def _health(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("launcher_up", "1 where it works, else 0", labels=["part"])
        up.add_metric(["runtime"], self._runtime.health() is None)
        up.add_metric(["gateway"], self.sessions.gateway.health() is None)
        yield up

    def _gateway(self) -> Iterator[Metric]:
        yield from gateway_metrics(self.sessions.gateway)

    @property
    def _runtime(self) -> Runtime:
        return self.sessions.runtime


def gateway_metrics(gateway: GatewayClient) -> Iterator[Metric]:
    """What the gateway counted since it started."""
    known = gateway.numbers()
    asked = CounterMetricFamily(
        "launcher_gateway_requests",
        "Requests that were answered, to sessions and to the app",
        labels=["to", "status"],
    )
    for to, status, count in known.requests:
        asked.add_metric([to, status], count)
    yield asked
    yield gauge("launcher_gateway_websockets", "WebSockets that are open", known.websockets)
    yield gauge("launcher_gateway_connections", "Connections that are open", known.connections)
    yield gauge("launcher_gateway_open_files", "Files that the gateway has open", known.files)
    yield CounterMetricFamily(
        "launcher_gateway_turned_away",
        "Connections closed because they were silent, or because there was no room",
        value=known.turned_away,
    )


def gauge(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, value=value)


def told(read: Callable[[], Iterator[Metric]]) -> list[Metric]:
    """What can be read; an engine that is down must not hide the rest."""
    try:
        return list(read())
    except (OSError, LaunchError, requests.RequestException) as error:
        log.warning("some numbers are missing: %s", error)
        return []
