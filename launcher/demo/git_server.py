"""A small git server over HTTP on loopback, for the demo and the tests: `git http-backend`."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit


@dataclass
class GitServer:
    """Serves every repository below `root`, for reading only, while the `with` block runs."""

    root: Path
    port: int = 0
    by_commit: bool = True
    """False: like old servers, refuse to fetch a commit that no ref names."""
    password: str = ""
    """Where it is set, `USER:PASSWORD` that every request must send."""
    requests: list[str] = field(default_factory=list)
    """`METHOD /path?query` of every request so far."""
    _server: ThreadingHTTPServer | None = None

    def __enter__(self) -> GitServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve in a thread of its own."""
        handler = type("Handler", (_Handler,), {"git_server": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        # Looks often whether it shall stop: tests start and stop hundreds of these.
        threading.Thread(
            target=self._server.serve_forever, args=(0.02,), name="git", daemon=True
        ).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    @property
    def host(self) -> str:
        """As the setting `git.hosts` names it."""
        return f"127.0.0.1:{self.port}"

    def url(self, name: str) -> str:
        return f"http://{self.host}/{name}"


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to git's own CGI program: https://git-scm.com/docs/git-http-backend"""

    git_server: GitServer
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def serve(self) -> None:
        parts = urlsplit(self.path)
        self.git_server.requests.append(f"{self.command} {self.path}")
        if not self.is_admitted():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            env={
                "PATH": os.environ.get("PATH", ""),
                "GIT_PROJECT_ROOT": str(self.git_server.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_COUNT": "3",
                "GIT_CONFIG_KEY_0": "safe.directory",
                "GIT_CONFIG_VALUE_0": "*",
                "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant",
                "GIT_CONFIG_VALUE_1": str(self.git_server.by_commit).lower(),
                "GIT_CONFIG_KEY_2": "uploadpack.allowFilter",
                "GIT_CONFIG_VALUE_2": "true",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                # Protocol 2 always allows it.
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", "")
                if self.git_server.by_commit
                else "",
                "REMOTE_ADDR": self.client_address[0],
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode("latin-1").splitlines() if line)
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def is_admitted(self) -> bool:
        wanted = base64.b64encode(self.git_server.password.encode()).decode()
        given = self.headers.get("Authorization", "")
        return not self.git_server.password or given == f"Basic {wanted}"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the launcher's own log tells what it fetched."""
