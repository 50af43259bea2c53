#!/usr/bin/python3 -IS
"""A server that an environment brings itself: files by Jupyter's API, started in no time.

For tests of what is round a session, which start hundreds.
"""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOME = Path("/home/jovyan")


DOCKERFILE = """FROM launcher/base:3.11
COPY small_server.py /srv/env/bin/jupyter-server
USER root
RUN chmod 755 /srv/env/bin/jupyter-server
USER 1000
"""


def environment():
    """The files of an environment whose sessions run this."""
    return {"Dockerfile": DOCKERFILE, "small_server.py": Path(__file__).read_text()}


class Handler(BaseHTTPRequestHandler):
    """`api/status`, and GET and PUT of `api/contents/<path>`."""

    protocol_version = "HTTP/1.1"
    base_url = "/"

    def do_GET(self):
        self.answer(self.show)

    def do_PUT(self):
        self.answer(self.save)

    def answer(self, how):
        if self.headers.get("Authorization") != f"token {os.environ['JUPYTER_TOKEN']}":
            return self.say(403, {})
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind, _, path = self.path.removeprefix(f"{self.base_url}api/").partition("/")
        if kind == "status":
            return self.say(200, {"connections": 0, "kernels": 0})
        return self.say(*how(HOME / path, body))

    def show(self, path, _body):
        return (200, {"content": path.read_text()}) if path.is_file() else (404, {})

    def save(self, path, body):
        path.write_text(json.loads(body)["content"])
        return 201, {}

    def say(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


if __name__ == "__main__":
    if "--version" in sys.argv:
        sys.exit(print("1.0"))
    told = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    Handler.base_url = told["ServerApp.base_url"]
    ThreadingHTTPServer(("0.0.0.0", int(told["ServerApp.port"])), Handler).serve_forever()
