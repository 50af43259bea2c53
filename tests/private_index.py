"""A package index of one package, over http, for those who have the password."""

from __future__ import annotations

import base64
import contextlib
import io
import threading
import uuid
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASSWORD = "pa55-" + uuid.uuid4().hex
CREDENTIALS = base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
WHEEL = "private_course-1.0-py3-none-any.whl"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if not self.path.endswith((f"/{WHEEL}", "/private-course/")):
            self.send_error(404)
            return
        body = wheel() if self.path.endswith(".whl") else f"<a href='/{WHEEL}'>{WHEEL}</a>".encode()
        if self.headers.get("Authorization") != f"Basic {CREDENTIALS}":
            body = b""
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


def wheel() -> bytes:
    file, info = io.BytesIO(), "private_course-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as out:
        out.writestr("private_course.py", "x = 42\n")
        out.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: private-course\nVersion: 1.0\n"
        )
        out.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        out.writestr(f"{info}/RECORD", "")
    return file.getvalue()


@contextlib.contextmanager
def private_index(host: str = "127.0.0.1") -> Iterator[str]:
    """The address of an index that runs meanwhile."""
    server = ThreadingHTTPServer((host, 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/simple/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
