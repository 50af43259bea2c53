"""Every line of a launch says which request and which session it is about."""

from __future__ import annotations

import io
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from launcher import logs
from launcher.launch import Opened
from launcher.launches import Launches
from launcher.progress import Phase, Progress
from launcher.session import Session
from link_generator.link import parse_link
from tests.waiting import wait_for

log = logging.getLogger("tests.logs")


@pytest.fixture
def lines():
    """What is logged meanwhile, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    # Threads of other tests may end just now.
    handler.addFilter(lambda record: record.name in (log.name, "launcher.launches"))
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(before)


def test_every_line_of_a_launch_has_its_ids_in_every_thread(lines):
    pool = ThreadPoolExecutor(1)

    def run(_link, _student, tell):
        tell(Progress(Phase.LINK, "read"))
        log.info("before there is a session")
        logs.session_id.set("abcdef012345")
        pool.submit(logs.carried(log.info), "in a thread of the pool").result(60)
        log.info("in the launch")
        session = Session("abcdef012345", "o", "c", "i", "", 0.0, "http://h:1", True)
        return Opened(session, "http://h/")

    link, _ = parse_link("/launch?env=https://h/e@v1")
    launch = Launches(run, ()).ensure(link, "student", "request-1")
    assert launch.wait(60)
    said = {}

    def ready():  # is logged after the end
        said.update({line["message"]: line for line in lines()})
        return "launch ready" in said

    wait_for(ready)
    assert {line["request_id"] for line in said.values()} == {"request-1"}
    assert "session_id" not in said["before there is a session"]
    for message in ("in a thread of the pool", "in the launch", "launch ready"):
        assert said[message]["session_id"] == "abcdef012345"
    pool.shutdown()


def test_a_thread_of_the_pool_forgets_the_ids_of_its_last_work(lines):
    pool = ThreadPoolExecutor(1)
    logs.request_id.set("one")
    pool.submit(logs.carried(log.info), "mine").result(60)
    logs.request_id.set("")
    pool.submit(log.info, "nobody's").result(60)
    mine, nobody_s = lines()
    assert mine["request_id"] == "one"
    assert "request_id" not in nobody_s
    pool.shutdown()


def test_plain_lines_say_them_too():
    logs.request_id.set("request-1")
    record = logging.makeLogRecord({"msg": "hello", "levelname": "INFO", "session_id": "of-it"})
    line = logs.PlainLines().format(record)
    logs.request_id.set("")
    assert "hello" in line
    assert "request_id=request-1" in line
    assert "session_id=of-it" in line
