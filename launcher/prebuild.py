"""Builds ahead of clicks: after a push, or while students still use the version before."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from envs.errors import EnvError
from launcher import logs

log = logging.getLogger(__name__)
Build = Callable[[str, str], object]
"""Builds an environment repository at a ref."""


@dataclass
class Prebuild:
    """Two builds at a time, in threads that do not hold up the end of the server.

    What fails is in the log and in the build's record.
    """

    build: Build
    pause: float = 300.0
    """Seconds before what failed is tried again, unless somebody has pushed."""
    _slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(2))
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _busy: set[tuple[str, str]] = field(default_factory=set)
    _again: set[tuple[str, str]] = field(default_factory=set)
    _failed: dict[tuple[str, str], float] = field(default_factory=dict)

    def start(self, repo: str, ref: str) -> bool:
        """Begin unless it is under way, or failed a moment ago; true when it begins."""
        key = (repo, ref)
        with self._guard:
            recent = time.monotonic() - self._failed.get(key, -self.pause) < self.pause
            if key in self._busy or recent:
                return False
            self._begin(key)
        return True

    def pushed(self, repo: str, ref: str) -> None:
        """Build what was pushed; a build that is under way is of something older, so once more."""
        key = (repo, ref)
        with self._guard:
            if key in self._busy:
                self._again.add(key)
            else:
                self._begin(key)

    def _begin(self, key: tuple[str, str]) -> None:
        self._busy.add(key)
        threading.Thread(
            target=logs.carried(self._run), args=(key,), name="prebuild", daemon=True
        ).start()

    def _run(self, key: tuple[str, str]) -> None:
        built = False
        try:
            with self._slots:
                self.build(*key)
            built = True
        except EnvError as error:
            log.warning("building %s of %s failed: %s", key[1], key[0], error)
        finally:
            with self._guard:
                self._busy.discard(key)
                self._failed.pop(key, None)
                if not built:
                    self._failed[key] = time.monotonic()
                if key in self._again:
                    self._again.discard(key)
                    self._begin(key)
