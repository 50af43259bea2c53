"""What sessions really use: the most memory that each one had, kept per environment."""

from __future__ import annotations

import contextlib
import json
import math
import os
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

KEPT = 100
"""Sessions that are remembered of each environment."""
ENOUGH = 5
"""Sessions of an environment, before their measured memory is believed."""
ROUND = 16 * 1024**2
"""Bytes; what grows by less is not written again."""


@dataclass
class Measured:
    """Peaks by environment and session, in one file that is written at once or not at all."""

    file: Path | None
    now: dict[str, int] = field(default_factory=dict)
    """Bytes that each running session used when it was last looked at."""
    _peaks: dict[str, dict[str, int]] | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def sample(self, used: Mapping[str, int], images: Mapping[str, str]) -> None:
        """Take in what the sessions use now; `images` names the image of each that runs."""
        with self._guard:
            peaks, news = self._load(), False
            for session, memory in used.items():
                if session not in images:
                    continue
                of_it = peaks.setdefault(environment_of_image(images[session]), {})
                if memory > of_it.get(session, 0) + (ROUND if session in of_it else 0):
                    of_it[session], news = memory, True
                while len(of_it) > KEPT:
                    del of_it[next(iter(of_it))]  # the one that began first
            self.now = {key: memory for key, memory in used.items() if key in images}
            if news:
                with contextlib.suppress(OSError):  # a full disk: they are written with the next
                    self._write(peaks)

    def peaks(self, environment: str) -> list[int]:
        """The most that each remembered session of the environment used, in bytes, sorted."""
        with self._guard:
            return sorted(self._load().get(environment, {}).values())

    def usual(self, environment: str) -> int | None:
        """What nine of ten sessions of the environment stay below; None while too few are known."""
        peaks = self.peaks(environment)
        return None if len(peaks) < ENOUGH else peaks[math.ceil(0.9 * len(peaks)) - 1]

    def _load(self) -> dict[str, dict[str, int]]:
        if self._peaks is None:
            self._peaks = read_peaks(self.file)
        return self._peaks

    def _write(self, peaks: Mapping[str, Mapping[str, int]]) -> None:
        if self.file is None:
            return
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.file.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(peaks, file)
            os.replace(name, self.file)
        except OSError:
            os.unlink(name)
            raise


def read_peaks(file: Path | None) -> dict[str, dict[str, int]]:
    """What was kept; a missing or damaged file is nothing: it fills again."""
    try:
        rows = json.loads(file.read_text("utf-8")) if file else {}
        return {
            str(environment): {str(key): int(peak) for key, peak in sessions.items()}
            for environment, sessions in rows.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def environment_of_image(image: str) -> str:
    """The environment that an image is a version of: its name without the version."""
    head, colon, version = image.rpartition(":")
    return head if colon and "/" not in version else image
