"""A small forward proxy that wants a password, and answers plain http itself."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PERSON, PASSWORD = "campus", "pr0xy-s3cret"
SAID = b"by the proxy\n"


@dataclass
class ForwardProxy:
    port: int
    asked: list[str] = field(default_factory=list)
    """What it let through, as `METHOD target`."""

    def url(self, host="127.0.0.1", password=PASSWORD):
        return f"http://{PERSON}:{password}@{host}:{self.port}"


@contextlib.contextmanager
def forward_proxy(host="127.0.0.1") -> Iterator[ForwardProxy]:
    wanted = "Basic " + base64.b64encode(f"{PERSON}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.headers["Proxy-Authorization"] != wanted:
                return self.send_error(407)
            proxy.asked.append(f"{self.command} {self.path}")
            if self.command == "CONNECT":
                return self.tunnel()
            self.send_response(200)
            self.send_header("Content-Length", str(len(SAID)))
            self.end_headers()
            self.wfile.write(SAID if self.command == "GET" else b"")
            return None

        do_CONNECT = do_HEAD = do_GET

        def tunnel(self):
            """To whatever host it was: only this machine's own ports are there."""
            try:
                there = socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2])))
            except OSError:
                return self.send_error(502)
            there.close()
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            return None

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((host, 0), Handler) as server:
        proxy = ForwardProxy(server.server_address[1])
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield proxy
        finally:
            server.shutdown()
