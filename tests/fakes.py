"""Small hand-written stand-ins for parts that a test is not about."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launcher.database import Database
from launcher.gateway.client import Numbers, RouteState
from launcher.homes.home import Homes
from launcher.runtimes.base import Completed
from launcher.session import Limits, Session, SessionSpec
from launcher.sessions.history import History
from launcher.sessions.sessions import Sessions


@dataclass
class FakeGateway:
    """Keeps routes in a dict, as the real one does behind its admin port."""

    known: dict[str, RouteState] = field(default_factory=dict)
    app: str = ""

    def set_app(self, target):
        self.app = target

    def add_route(self, session_id, target, owner, token):
        self.known[session_id] = RouteState(target, 0.0, 0)

    def remove_route(self, session_id):
        self.known.pop(session_id, None)

    def routes(self):
        return dict(self.known)

    def may_have(self, session_id):
        return session_id in self.known

    def health(self):
        return None

    def numbers(self):
        return Numbers((("app", "2xx", 3),), websockets=1, connections=2, files=9, turned_away=4)


@dataclass
class FakeRuntime:
    """Sessions that are rows in a dict; `address` may name a real server."""

    address: str = "http://127.0.0.1:9"
    rows: dict[str, Session] = field(default_factory=dict)
    name: str = "fake"
    attaches_folders: bool = True
    images: object = None
    warm: object = None

    def health(self):
        return None

    def folders(self):
        return ()

    def describe(self):
        return "nothing is isolated"

    def protect(self):
        return None

    def forget_home(self, owner, course):
        pass

    def kills(self):
        return {}

    def written(self):
        return {}

    def processes(self):
        return {}

    def prepare_home(self, spec: SessionSpec):
        spec.home.mkdir(parents=True, exist_ok=True)

    def start(self, spec: SessionSpec):
        self.rows[spec.id] = Session(
            id=spec.id,
            owner=spec.owner,
            course=spec.course,
            image=spec.image,
            link=spec.link,
            started=0.0,
            address=self.address,
            running=True,
            egress=spec.egress,
        )
        return self.rows[spec.id]

    def find(self, session_id):
        return self.rows.get(session_id)

    def list(self, owner=""):
        return [row for row in self.rows.values() if owner in ("", row.owner)]

    def memory(self):
        return {}

    def stop(self, session_id):
        self.rows.pop(session_id, None)

    def sweep(self, *, older, dry_run):
        return ()

    def run(self, session_id, command, *, stdin=None, timeout=60.0):
        return Completed(0, b"", b"")

    def put_home_archive(self, session_id, archive):
        raise AssertionError("folders are attached here")

    def logs(self, session_id, *, lines=200):
        return "the end of the log"

    def cut_logs(self):
        pass


@dataclass
class HereRuntime(FakeRuntime):
    """Runs a session's commands as processes of this machine, in the home folder."""

    homes: dict = field(default_factory=dict)
    ran: list = field(default_factory=list)

    def start(self, spec: SessionSpec):
        self.homes[spec.id] = spec.home
        return super().start(spec)

    def run(self, session_id, command, *, stdin=None, timeout=60.0):
        self.ran.append(list(command))
        done = subprocess.run(
            list(command),
            cwd=self.homes[session_id],
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Completed(done.returncode, done.stdout, done.stderr)

    def put_home_archive(self, session_id, archive):
        command = ["tar", "-x", "-C", str(self.homes[session_id]), "--no-same-owner"]
        subprocess.run(command, stdin=archive, check=True)


def fake_sessions(folder: Path, **parts: Any) -> Sessions:
    """Sessions below `folder` on a runtime and a gateway that start nothing, but for `parts`."""
    usual = {
        "runtime": FakeRuntime(),
        "gateway": FakeGateway(),
        "homes": Homes(folder / "homes"),
        "history": History(Database.of(folder)),
        "secret": b"k" * 32,
        "limits": Limits(1, 1, 1),
        "start_timeout": 1,
    }
    return Sessions(**usual | parts)
