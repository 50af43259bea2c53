"""A git host in trouble: each address below it answers in a wrong way of its own."""

from __future__ import annotations

import contextlib
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

PRIVATE = "http://10.1.2.3/course"


class Handler(BaseHTTPRequestHandler):
    """The first part of the path says how it goes wrong."""

    server: HostileHost

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        getattr(self, self.path.split("/")[1])()

    def private(self) -> None:
        self.head(401, ("WWW-Authenticate", 'Basic realm="git"'))

    def missing(self) -> None:
        self.head(404)

    def page(self) -> None:
        self.head(200, ("Content-Type", "text/html"))
        self.wfile.write(b"<html><script>alert(1)</script>Welcome</html>")

    def broken(self) -> None:
        self.head(503)

    def away(self) -> None:
        self.head(302, ("Location", f"{PRIVATE}/info/refs?service=git-upload-pack"))

    def circle(self) -> None:
        self.head(301, ("Location", f"/circle/more{self.path.removeprefix('/circle')}"))

    def silent(self) -> None:
        """Takes the question and never answers."""
        self.server.ended.wait(60)

    def trickle(self) -> None:
        """Answers, a byte at a time, for ever."""
        self.head(200, ("Content-Type", "application/x-git-upload-pack-advertisement"))
        self.drip(b"001e# service=git-upload-pack\n" + b"0" * 1000)

    def lingering(self) -> None:
        """Leads on to another place, a byte of it at a time."""
        self.wfile.write(b"HTTP/1.0 302 Found\r\n")
        self.drip(b"X-Nothing: 1\r\n" * 1000)

    def drip(self, text: bytes) -> None:
        for byte in text:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            if self.server.ended.wait(0.1):
                return

    def head(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()

    def handle(self) -> None:
        with contextlib.suppress(OSError):  # git went away
            super().handle()

    def log_message(self, *_: object) -> None:
        pass


class HostileHost(ThreadingHTTPServer):
    """On a free port, while the `with` block runs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []
        self.ended = Event()
        self.began = time.monotonic()

    def __enter__(self) -> HostileHost:
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def url(self, name: str) -> str:
        return f"http://{self.host}/{name}"


TROUBLES = {
    "private": "or it is private",
    "missing": "There is no repository at",
    "page": "is a web page, not a git repository",
    "broken": "it says error 503",
    "away": "leads on to another server. 10.1.2.3 is not",
    "circle": "leads to nowhere that can be followed",
    "silent": "did not answer within",
    "trickle": "did not answer within",
}
"""What is said of each."""
ENDLESS = ("silent", "trickle")
"""Those that only a time limit ends."""
