"""Sessions: one per student and course, and nothing a student wrote is lost when one ends."""

import contextlib
import socket
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from launcher.database import Database
from launcher.errors import NoRoom, SessionFailed
from launcher.homes.home import Homes
from launcher.room.capacity import Capacity, Plan
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.queue import Queue
from launcher.session import Limits
from launcher.sessions.history import History
from launcher.sessions.sessions import Sessions, ask_status
from tests.fakes import FakeGateway, FakeRuntime


@pytest.fixture
def server():
    """Answers `/api/status` of every session, as Jupyter does."""

    class Status(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.headers["Authorization"] else 403)
            self.end_headers()
            self.wfile.write(b'{"connections": 0}')

        def log_message(self, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Status) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def sessions(tmp_path, server):
    return Sessions(
        runtime=FakeRuntime(server),
        gateway=FakeGateway(),
        homes=Homes(tmp_path / "homes"),
        history=History(Database.of(tmp_path)),
        secret=b"k" * 32,
        limits=Limits(1, 1, 1),
        start_timeout=1,
    )


def ensure(sessions, student="s1", course="c1", image="i1"):
    return sessions.ensure(student, course, image, "/launch?env=x", lambda progress: None)


def test_the_same_student_and_course_get_the_same_session(sessions):
    first, _ = ensure(sessions)
    again, _ = ensure(sessions)
    assert again == first


def test_two_students_never_share_a_session_or_a_home(sessions):
    one, _ = ensure(sessions, student="s1")
    two, _ = ensure(sessions, student="s2")
    assert one.id != two.id
    assert one.home != two.home
    assert one.token != two.token


def test_a_new_environment_keeps_the_home(sessions):
    old, _ = ensure(sessions, image="i1")
    (old.home / "work.txt").write_text("mine")
    new, _ = ensure(sessions, image="i2")
    assert new.id != old.id
    assert (new.home / "work.txt").read_text() == "mine"
    assert [s.id for s in sessions.runtime.list()] == [new.id]


def test_a_session_that_ended_is_replaced(sessions):
    old, session = ensure(sessions)
    sessions.runtime.rows[old.id] = replace(session, running=False, ended="exit code 137")
    new, _ = ensure(sessions)
    assert new.id != old.id
    assert new.home == old.home


def test_opening_lets_the_owner_in(sessions):
    spec, _ = ensure(sessions)
    sessions.open(spec)
    assert list(sessions.gateway.routes()) == [spec.id]


def test_a_server_that_dies_at_start_is_noticed_at_once_with_its_log(sessions):
    spec, session = ensure(sessions)
    dead = replace(session, running=False, ended="exit code 1")
    sessions.runtime.rows[spec.id] = dead
    with pytest.raises(SessionFailed, match="exit code 1") as caught:
        sessions.open(spec)
    assert "the end of the log" in caught.value.hint


def test_a_server_that_starts_is_asked_itself_and_its_runtime_seldom(sessions, monkeypatch):
    spec, _ = ensure(sessions)
    asked = {"runtime": 0, "server": 0}
    find = sessions.runtime.find

    def found(session_id):
        asked["runtime"] += 1
        return find(session_id)

    def answers(session):
        asked["server"] += 1
        return asked["server"] > 3

    monkeypatch.setattr(sessions.runtime, "find", found)
    monkeypatch.setattr(sessions, "answers", answers)
    sessions.open(spec)
    assert asked == {"runtime": 1, "server": 4}


def test_a_server_that_never_answers_fails_with_the_time(sessions):
    spec, session = ensure(sessions)
    sessions.runtime.rows[spec.id] = replace(session, address="http://127.0.0.1:1")
    sessions.start_timeout = 0.2
    with pytest.raises(SessionFailed, match="did not answer"):
        sessions.open(spec)


def test_a_restarted_launcher_adopts_what_runs(sessions):
    spec, _ = ensure(sessions)
    sessions.gateway.known.clear()
    assert [s.id for s in sessions.adopt()] == [spec.id]
    assert list(sessions.gateway.routes()) == [spec.id]


def test_routes_to_nowhere_go(sessions):
    sessions.gateway.add_route("ab" * 6, "http://127.0.0.1:1", "s", "t")
    sessions.adopt()
    assert sessions.gateway.routes() == {}


def test_a_dead_session_is_cleared_and_remembered(sessions):
    spec, session = ensure(sessions)
    sessions.runtime.rows[spec.id] = replace(session, running=False, ended="exit code 137")
    sessions.adopt()
    assert sessions.runtime.list() == []
    assert sessions.history.find(spec.id).why == "exit code 137"
    assert spec.home.exists()


def test_a_session_that_a_launch_is_just_starting_is_left_alone(sessions):
    spec, session = ensure(sessions)
    sessions.runtime.rows[spec.id] = replace(session, running=False)
    with sessions.turn("s1", "c1"):
        sessions.adopt()
    assert sessions.runtime.find(spec.id)


def test_a_session_that_somebody_removed_by_hand_is_over(sessions):
    spec, _ = ensure(sessions)
    kept, _ = ensure(sessions, student="s2")
    del sessions.runtime.rows[spec.id]
    with sessions.turn("s1", "c1"):
        sessions.adopt()
    assert not sessions.history.find(spec.id).ended, "a launch may just be starting it"
    sessions.adopt()
    assert sessions.history.find(spec.id).why == "it was removed from this server"
    assert not sessions.history.find(kept.id).ended


@pytest.fixture
def restless():
    """Threads are switched all the time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_a_turn_is_one_s_alone_and_nothing_is_kept_of_it(sessions, restless):
    inside, most, barrier = Counter(), Counter(), threading.Barrier(8)

    def work(key):
        inside[key] += 1
        most[key] = max(most[key], inside[key])
        time.sleep(0)
        inside[key] -= 1

    def launch_and_reap(number):
        barrier.wait()
        for turn in range(300):
            key = ("s1", f"c{(number + turn) % 2}")
            if number < 6:
                with sessions.turn(*key):
                    work(key)
            elif sessions.try_turn(*key):
                work(key)
                sessions.end_turn(*key)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(launch_and_reap, number) for number in range(8)]:
            done.result()
    assert set(most.values()) == {1}
    assert sessions._turns == set()


def test_a_launch_that_breaks_gives_its_turn_back(sessions):
    with pytest.raises(SessionFailed), sessions.turn("s1", "c1"):
        raise SessionFailed("no")
    assert sessions.try_turn("s1", "c1")
    assert not sessions.try_turn("s1", "c1")


ODD = {
    "a number": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n5",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
    "nested": b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60_000,
    "endless": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000,
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n",
    "no http": b"\0\1\2\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_a_server_that_a_student_wrote_may_answer_anything(said):
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def serve():
            connection, _ = odd.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask_status(f"http://127.0.0.1:{odd.getsockname()[1]}", "/x", "t") is None
        thread.join()


def test_a_server_that_drips_is_hung_up_on(monkeypatch):
    monkeypatch.setattr("launcher.sessions.sessions.PATIENCE", 0.5)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def serve():
            connection, _ = slow.accept()
            with connection, contextlib.suppress(OSError):
                for sign in b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"b" * 1000:
                    connection.sendall(bytes([sign]))
                    if stop.wait(0.1):
                        return

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask_status(f"http://127.0.0.1:{slow.getsockname()[1]}", "/x", "t") is None
        assert thread.is_alive(), "it was still dripping"
        stop.set()
        thread.join()


@pytest.fixture
def small(sessions):
    """The same with room for one."""
    capacity = Capacity(Plan(memory=1, reserve=1, largest=1), Measured(None))
    sessions.queue = Queue(capacity, Line(None), 60, 60)
    return sessions


def held(sessions):
    return [one.session for one in sessions.queue.capacity.held()]


def test_without_room_nothing_is_started_and_what_runs_goes_on(small):
    spec, _ = ensure(small)
    with pytest.raises(NoRoom):
        ensure(small, student="s2")
    assert [one.id for one in small.runtime.list()] == held(small) == [spec.id]
    assert ensure(small)[0] == spec, "one's own session needs no second place"
    small.stop(spec.id, why="done")
    assert small.queue.called([("s2", "c1")], 0) == {("s2", "c1")}
    other, _ = ensure(small, student="s2")
    assert held(small) == [other.id]


def test_after_a_restart_what_runs_takes_its_room_before_anybody_clicks(small):
    spec, _ = ensure(small)
    capacity = Capacity(small.queue.capacity.plan, Measured(None))
    small.queue = Queue(capacity, Line(None), 60, 60)
    small.take_stock()
    assert held(small) == [spec.id]
    with pytest.raises(NoRoom):
        ensure(small, student="s2")


def test_a_start_that_fails_gives_its_room_back(small, monkeypatch):
    def broken(spec):
        raise SessionFailed("no")

    monkeypatch.setattr(small.runtime, "start", broken)
    for _ in range(3):
        with pytest.raises(SessionFailed):
            ensure(small)
    assert held(small) == []
    monkeypatch.undo()
    assert ensure(small)


def test_a_full_box_changes_a_student_s_environment_without_waiting(small):
    old, _ = ensure(small, image="i1")
    new, _ = ensure(small, image="i2")
    assert [one.id for one in small.runtime.list()] == held(small) == [new.id] != [old.id]


def test_what_ended_behind_our_back_gives_its_room_to_the_next(small):
    spec, _ = ensure(small)
    with pytest.raises(NoRoom):
        ensure(small, student="s2")
    small.runtime.rows.clear()  # `launcher session stop`, or somebody at the engine
    small.adopt()
    assert held(small) != [spec.id]
    assert small.queue.called([("s2", "c1")], 0) == {("s2", "c1")}
