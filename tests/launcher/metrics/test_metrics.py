"""Numbers for Prometheus: what happened is counted, what is true now is told."""

from __future__ import annotations

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from launcher.errors import NoRoom, SessionFailed
from launcher.metrics.gauges import Gauges
from launcher.metrics.metrics import Metrics
from launcher.progress import Phase, Progress
from launcher.room.capacity import Capacity, Plan
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.queue import Queue
from launcher.session import Limits, Session
from launcher.sessions.sessions import Sessions
from launcher.web.metrics import Readers
from tests.fakes import FakeGateway, FakeRuntime


class NoBuilds:
    @property
    def records(self):
        return self

    def all(self):
        return []

    def unfinished(self):
        return []


def session(name, *, running):
    return Session(name, "o", "c", "i", "", 0.0, "http://h:1", running)


@pytest.fixture
def sessions():
    measured = Measured(None)
    measured.sample({"one": 300}, {"one": "env/x:1-2"})
    runtime = FakeRuntime(rows={n: session(n, running=n == "one") for n in ("one", "two")})
    return Sessions(
        runtime=runtime,
        gateway=FakeGateway(),
        homes=None,
        history=None,
        secret=b"s",
        limits=Limits(1, 1.0, 1),
        start_timeout=1.0,
        queue=Queue(Capacity(Plan(memory=1000, reserve=1, largest=1), measured), Line(None), 0, 0),
    )


def values(metrics):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


def test_steps_of_a_launch_are_timed_and_the_one_that_failed_is_told():
    metrics = Metrics(NoBuilds())
    heard = []

    def run(_link, _student, tell):
        tell(Progress(Phase.LINK, "a"))
        tell(Progress(Phase.ENVIRONMENT, "b"))
        tell(Progress(Phase.ENVIRONMENT, "c"))
        tell(Progress(Phase.SESSION, "d"))
        raise SessionFailed("no")

    with pytest.raises(SessionFailed):
        metrics.measured(run)(None, "student", heard.append)
    assert [one.message for one in heard] == ["a", "b", "c", "d"]
    found = values(metrics)
    count = "launcher_launch_step_seconds_count"
    assert found[count, "success", "link"] == 1
    assert found[count, "success", "environment"] == 1
    assert found[count, "failure", "session"] == 1
    assert found["launcher_launches_total", "failure"] == 1


def test_what_is_true_now_is_told(sessions, tmp_path):
    metrics = Metrics(NoBuilds())
    metrics.registry.register(Gauges(sessions, {"data": tmp_path}))
    metrics.pulled("success", 0.2)
    found = values(metrics)
    assert found["launcher_sessions", "running"] == found["launcher_sessions", "ended"] == 1
    assert found["launcher_sessions_memory_bytes",] == 300
    assert found["launcher_machine_memory_bytes",] > 2**28
    assert found["launcher_disk_size_bytes", "data"] > found["launcher_disk_free_bytes", "data"] > 0
    assert found["launcher_pull_seconds_count", "success"] == 1
    assert found["launcher_gateway_requests_total", "2xx", "app"] == 3
    assert found["launcher_gateway_turned_away_total",] == 4
    assert found["launcher_up", "runtime"] == found["launcher_up", "gateway"] == 1
    assert found["process_open_fds",] > 3


def test_an_engine_that_is_down_hides_no_other_number(sessions, tmp_path):
    def down():
        raise requests.ConnectionError("no engine")

    sessions.runtime.list = down
    sessions.runtime.health = lambda: "it is down"
    metrics = Metrics(NoBuilds())
    metrics.registry.register(Gauges(sessions, {"data": tmp_path}))
    found = values(metrics)
    assert ("launcher_sessions", "running") not in found
    assert found["launcher_up", "runtime"] == 0
    assert found["launcher_disk_free_bytes", "data"] > 0


LOCAL = ("127.0.0.0/8", "::1/128")


@pytest.mark.parametrize(
    ("forwarded", "authorization", "allowed"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("10.1.2.3", "", False),
        ("127.0.0.1, 10.1.2.3", "", False),
        ("10.1.2.3, 127.0.0.1", "", True),
        ("127.0.0.1, 192.0.2.7", "", True),
        ("10.1.2.3, 192.0.2.7", "", False),
        ("", "", False),
        ("nonsense", "", False),
        ("10.1.2.3", "Bearer right", True),
        ("10.1.2.3", "bearer right", True),
        ("10.1.2.3", "Bearer wrong", False),
        ("10.1.2.3", "Bearer ", False),
        ("10.1.2.3", "Basic right", False),
    ],
)
def test_only_near_programs_or_those_with_the_token_read_the_numbers(
    tmp_path, forwarded, authorization, allowed
):
    token = tmp_path / "token"
    token.write_text("right\n")
    readers = Readers(LOCAL, token, ("192.0.2.0/24",))
    assert readers.allows(forwarded, authorization) is allowed


def test_an_empty_token_file_opens_nothing(tmp_path):
    token = tmp_path / "token"
    token.write_text("\n")
    assert not Readers((), token, ()).allows("10.1.2.3", "Bearer ")
    assert not Readers((), None, ()).allows("127.0.0.1", "Bearer ")


def test_one_who_waits_in_line_is_no_failure_and_is_timed():
    metrics, queue = (
        Metrics(NoBuilds()),
        Queue(
            Capacity(Plan(memory=100, reserve=100, largest=100), Measured(None)), Line(None), 60, 60
        ),
    )
    queue.waited = metrics.of_queue(queue)
    first = queue.admit("ann", "c", "i")

    def run(link, student, tell):
        return queue.admit(student, "c", "i")

    launch = metrics.measured(run)
    with pytest.raises(NoRoom):
        launch(None, "bob", None)
    found = values(metrics)
    assert found["launcher_launches_total", "failure"] == 0
    assert (found["launcher_queue_length",], found["launcher_room_sessions",]) == (1, 1)
    assert found["launcher_room_bytes", "all"] == found["launcher_room_bytes", "taken"] == 100
    queue.capacity.release(first)
    assert launch(None, "bob", None)
    found = values(metrics)
    assert found["launcher_launches_total", "success"] == 1
    assert (found["launcher_queue_length",], found["launcher_queue_seconds_count",]) == (0, 1)
