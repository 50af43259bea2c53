"""What the launcher says to the gateway's admin port."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import urllib3

from launcher.errors import LaunchError
from launcher.gateway.routes import HEALTH

TIMEOUT = 5.0
"""Seconds; the gateway is on this machine."""
TOGETHER = 16
"""Connections that are kept; more are closed after use."""
PATIENCE = 15.0
"""Seconds that a change waits for a gateway that died and is started again."""


class NoAnswer(OSError):
    """The gateway does not answer, or refuses."""


class TooSlow(NoAnswer):
    """It listens, and says nothing in time."""


class GatewayGone(LaunchError):
    """The gateway does not answer, and was not started again in time."""


@dataclass(frozen=True)
class Announced:
    """What a gateway says of itself: ports, process, and a mark of its settings and version."""

    admin: int
    public: int
    pid: int
    mark: str


@dataclass(frozen=True)
class RouteState:
    """A session's route, as the gateway sees it."""

    target: str
    last_activity: float
    """Unix seconds."""
    websockets: int


@dataclass(frozen=True)
class Numbers:
    """What the gateway counted since it started, and what is open now."""

    requests: tuple[tuple[str, str, int], ...]
    """To `app` or `session`, the status as `2xx`, how many."""
    websockets: int
    connections: int
    files: int
    turned_away: int


@dataclass(frozen=True)
class GatewayClient:
    """Adds and removes routes."""

    announcement: Path
    """The file in which the newest gateway says `<admin port> <public port> <pid> <mark>`."""
    token: str
    _http: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(maxsize=TOGETHER)
    )

    def announced(self) -> Announced | None:
        """What the newest gateway said when it began; it may have ended since."""
        try:
            admin, public, pid, *mark = self.announcement.read_text().split()
            return Announced(int(admin), int(public), int(pid), "".join(mark))
        except (OSError, ValueError):
            return None

    def listens(self) -> bool:
        """False when nothing listens on the admin port any more; a slow gateway does listen."""
        announced = self.announced()
        if announced is None:
            return False
        try:
            socket.create_connection(("127.0.0.1", announced.admin), TIMEOUT).close()
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
        return True

    def is_slow(self) -> bool:
        """True for one that lives but does not answer in time."""
        try:
            self._call("GET")
        except TooSlow:
            return True
        except NoAnswer:  # it is gone, or another program has its port now
            return False
        return False

    def stop(self) -> None:
        """Ask it to end, which takes it a moment; one of an older version may not know how."""
        self._call("POST", of="stop")

    def set_app(self, target: str) -> None:
        """Send everything that is no session to the app at `target`."""
        self._call("POST", "/", {"target": target})

    def set_health(self, target: str) -> None:
        """Send `/healthz` to `target` instead."""
        self._call("POST", HEALTH, {"target": target})

    def add_route(self, session_id: str, target: str, owner: str, token: str) -> None:
        """:raises GatewayGone: it does not answer."""
        data = {"owner": owner, "token": token}
        self._change("POST", f"/s/{session_id}", {"target": target, "data": data})

    def remove_route(self, session_id: str) -> None:
        """Remove the route and close its WebSockets; one that is not there is fine."""
        self._change("DELETE", f"/s/{session_id}")

    def routes(self) -> dict[str, RouteState]:
        """The routes to sessions, by session id."""
        return {
            path.removeprefix("/s/"): RouteState(
                row["target"],
                datetime.fromisoformat(row["last_activity"]).timestamp(),
                row.get("websockets", 0),
            )
            for path, row in self._asked("routes").items()
            if path.startswith("/s/")
        }

    def may_have(self, session_id: str) -> bool:
        """True where the session has a route, or the gateway cannot say."""
        try:
            return session_id in self.routes()
        except NoAnswer:
            return True

    def numbers(self) -> Numbers:
        """What it counted."""
        said = self._asked("numbers")
        return Numbers(**{**said, "requests": tuple(tuple(row) for row in said["requests"])})

    def health(self) -> str | None:
        """None when the gateway answers with our token, else why not."""
        try:
            self._asked("routes")
        except NoAnswer as error:
            return f"The gateway does not answer: {error}."
        return None

    def _asked(self, of: str) -> dict[str, Any]:
        said = self._call("GET", of=of)
        if not isinstance(said, dict):
            raise NoAnswer("another program has its port")
        return said

    def _change(self, method: str, path: str, body: object = None) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self._call(method, path, body)
                return
            except NoAnswer as error:
                if time.monotonic() > deadline:
                    raise GatewayGone(
                        "The way to your session cannot be opened: the gateway does not answer."
                    ) from error
            time.sleep(0.2)

    def _call(self, method: str, path: str = "", body: object = None, *, of: str = "routes") -> Any:
        """What it says as JSON; None where it has nothing to say, or does not know the path.

        :raises NoAnswer: with why.
        """
        announced = self.announced()
        if announced is None:
            raise NoAnswer("no gateway has announced itself")
        try:
            answer = self._http.request(
                method,
                f"http://127.0.0.1:{announced.admin}/api/{of}{path}",
                json=body,
                headers={"Authorization": f"token {self.token}"},
                timeout=TIMEOUT,
                retries=False,
                redirect=False,
            )
            if answer.status >= 400 and answer.status != 404:
                raise NoAnswer(f"it answers {answer.status}")
            return answer.json() if answer.status == 200 else None
        except urllib3.exceptions.NewConnectionError as error:  # it counts as a timeout, too
            raise NoAnswer(type(error).__name__) from error
        except urllib3.exceptions.TimeoutError as error:
            raise TooSlow(type(error).__name__) from error
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise NoAnswer(type(error).__name__) from error
