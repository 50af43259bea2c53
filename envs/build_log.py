"""The log of one build, in its folder: plain lines, and beside them when each was said.

Builds print what strangers wrote: lines hold no control characters, and a log has an end.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from envs.builder import Say

LOG, TIMES = "log.txt", "times.txt"
LARGEST = 5_000_000
"""Characters; pages and commands read a log whole."""
LONGEST = 4_000
"""Characters of one line."""
# ECMA-48: an escape sequence, then any other control character; tabs stay.
CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)?|[^\t\x20-\x7e\xa0-\U0010ffff]"
)


@dataclass(frozen=True)
class Line:
    """A line of a build log."""

    number: int
    """From 1, as in the file."""
    text: str
    at: float | None = None
    """Seconds since the build began; None in a log that has no times."""


@dataclass
class LogWriter:
    """Writes each line to the log in `place`, and says what it wrote to who watches."""

    place: Path
    say: Say
    _log: IO[str] = field(init=False)
    _times: IO[str] = field(init=False)
    _began: float = field(default_factory=time.monotonic)
    _left: int = LARGEST

    def __enter__(self) -> Self:
        for name in (TIMES, LOG):  # whoever tails the old ones notices
            (self.place / name).unlink(missing_ok=True)
        self._times = (self.place / TIMES).open("w", encoding="utf-8", buffering=1)
        self._log = (self.place / LOG).open("w", encoding="utf-8", buffering=1)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._log.close()
        self._times.close()

    def write(self, text: str, *, always: bool = False) -> None:
        """Add the lines of `text`; behind the log's end only what comes `always`."""
        for one in text.split("\n"):
            line = plain(one)
            if self._left > 0 or always:
                self._left -= len(line) + 1
                self._put(line)
                if self._left <= 0 and not always:
                    self._put("The log ends here: it is longer than any that helps")

    def _put(self, line: str) -> None:
        self._times.write(f"{time.monotonic() - self._began:.2f}\n")
        self._log.write(line + "\n")
        self.say(line)


def read_log_lines(place: Path) -> tuple[Line, ...]:
    """The complete lines of the log in `place`, with their times where those are known."""
    try:
        texts = (place / LOG).read_text("utf-8", "replace").split("\n")[:-1]
    except FileNotFoundError:
        return ()
    try:
        times = (place / TIMES).read_text("utf-8", "replace").split("\n")[:-1]
    except FileNotFoundError:
        times = []
    return tuple(
        Line(number, text, seconds(times[number - 1]) if number <= len(times) else None)
        for number, text in enumerate(texts, start=1)
    )


def seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def plain(text: str) -> str:
    """The line as a page and a terminal may show it; of a progress display its last state."""
    last = text.rstrip("\r").rsplit("\r", 1)[-1]
    clean = CONTROL.sub("", last)
    return clean if len(clean) <= LONGEST else f"{clean[:LONGEST]} …"
