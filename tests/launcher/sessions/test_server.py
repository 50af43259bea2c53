"""A session's server is the student's: it may answer anything, and keeps nobody waiting."""

import contextlib
import socket
import threading

import pytest

from launcher.sessions.server import ask_busy, ask_status

ODD = {
    "a number": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n5",
    "a list": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
    "nested": b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60_000,
    "endless": b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000,
    "elsewhere": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n",
    "no http": b"\0\1\2\r\n\r\n",
    "nothing": b"",
    "no kernels": b'HTTP/1.1 200 OK\r\n\r\n[null, "busy", ["busy"], {"execution_state": 1}]',
}


@pytest.mark.parametrize(("ask", "found"), [(ask_status, None), (ask_busy, False)])
@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_a_server_that_a_student_wrote_may_answer_anything(said, ask, found):
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def serve():
            connection, _ = odd.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(4096)
                connection.sendall(said)

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask(f"http://127.0.0.1:{odd.getsockname()[1]}", "/x/", "t") is found
        thread.join()


def test_a_server_that_drips_is_hung_up_on(monkeypatch):
    monkeypatch.setattr("launcher.sessions.server.PATIENCE", 0.5)
    stop, said = threading.Event(), []
    with socket.create_server(("127.0.0.1", 0)) as slow:

        def serve():
            connection, _ = slow.accept()
            with connection, contextlib.suppress(OSError):
                for sign in b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"b" * 1000:
                    connection.sendall(bytes([sign]))
                    if stop.wait(0.1):
                        return
                said.append("all of it")

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask_status(f"http://127.0.0.1:{slow.getsockname()[1]}", "/x", "t") is None
        stop.set()
        thread.join()
        assert not said, "it was still dripping"
