"""The table of routes: who may go where. Kept in a file, so that a restart loses none."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

log = logging.getLogger(__name__)

APP = "/"
"""The route to the app."""
HEALTH = "/healthz"
"""The route to the threads of the app that only say that it lives."""
MOMENT = 0.2
"""Seconds from a change to its file."""


@dataclass
class Route:
    """Where a session answers, whose it is, and when it was last used."""

    target: str
    """`http://HOST:PORT`, without a path."""
    owner: str = ""
    token: str = ""
    """Jupyter's token, added upstream for the owner."""
    last_activity: float = field(default_factory=time.time)
    """Unix seconds; every request and every WebSocket frame counts."""


@dataclass
class Routes:
    """Routes by session id; the app's own are `/` and `/healthz`."""

    file: Path
    known: dict[str, Route] = field(default_factory=dict)
    _later: asyncio.TimerHandle | None = None

    @classmethod
    def load(cls, file: Path) -> Routes:
        """The routes of the last run; a missing or broken file is none: the app adds them again."""
        try:
            rows = json.loads(file.read_text("utf-8"))
            return cls(file, {name: Route(**row) for name, row in rows.items()})
        except (OSError, ValueError, TypeError, AttributeError):
            return cls(file)

    def put(self, name: str, route: Route) -> None:
        """Add the route; one that is known already keeps its activity."""
        if name in self.known:
            route = replace(route, last_activity=self.known[name].last_activity)
        self.known[name] = route

    def used(self, name: str) -> None:
        """The session is in use right now."""
        if name in self.known:
            self.known[name].last_activity = time.time()

    def remove(self, name: str) -> bool:
        """True when there was such a route."""
        return self.known.pop(name, None) is not None

    def keep(self) -> None:
        """Write the file in a moment, once for all that changes until then.

        A class that clicks changes forty routes. A gateway that is killed before gets them again.
        """
        if self._later is None:
            self._later = asyncio.get_running_loop().call_later(MOMENT, self.save)

    def save(self) -> None:
        """Write the file, if the disk has room: routes that count now are those in memory."""
        if self._later:
            self._later.cancel()
            self._later = None
        try:
            self._write()
        except OSError as error:
            log.warning("routes are not kept for a restart: %s", error)

    def _write(self) -> None:
        """At once or not at all; it holds tokens, so it is for its owner only."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.file.parent)  # mode 600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                out.write(json.dumps({name: vars(one) for name, one in self.known.items()}))
            os.replace(name, self.file)
        except OSError:
            os.unlink(name)
            raise
