"""One build of an image, as it is recorded."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from envs.atomic import write_text
from envs.errors import BuildFailed
from envs.explain import FirstError

NOW = "now"
"""Name of the record of a build that has not ended; a killed one leaves it behind."""


@dataclass(frozen=True)
class Build:
    """One build, as recorded."""

    name: str
    repo: str
    ref: str
    commit: str
    started: float
    """Unix seconds."""
    seconds: float
    outcome: str
    """`built`, `failed`, `cancelled`, `interrupted`, or `running` for one that has not ended."""
    error: str = ""
    """A sentence, with the file and the line where those are known."""
    hint: str = ""
    file: str = ""
    """The file of the environment repository that is to blame, where one is known."""
    line: int = 0
    log_line: int = 0
    """The line of the log that says the error; 0 where none does."""

    @property
    def ended(self) -> float:
        return self.started + self.seconds

    @property
    def sentence(self) -> str:
        """The error without its place."""
        where = f"{self.file} line {self.line}" if self.line else self.file
        return self.error.removeprefix(f"{where}: ")

    def failed(self, error: FirstError) -> Build:
        """The build with why it failed."""
        return replace(
            self,
            outcome="failed",
            error=error.message,
            hint=error.hint,
            file=error.file,
            line=error.line,
            log_line=error.log_line,
        )

    def as_error(self, log_tail: tuple[str, ...]) -> BuildFailed:
        """The error again, for somebody who waited for this build."""
        return BuildFailed(self.error, hint=self.hint, log_tail=log_tail, image=self.name)


def write_record(place: Path, build: Build) -> None:
    """Keep the record of a build in its folder."""
    name = NOW if build.outcome == "running" else f"{build.started:.3f}.json"
    write_text(place / name, json.dumps(asdict(build)))
    if build.outcome != "running":
        (place / NOW).unlink(missing_ok=True)


def read_records(files: Iterator[Path]) -> list[Build]:
    """The builds of these records, oldest first; what is no record is passed over."""
    found = []
    for record in files:
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append(Build(**json.loads(record.read_text("utf-8"))))
    return sorted(found, key=lambda build: build.started)


def in_words(seconds: float) -> str:
    """For example `0.4 s`, `12 s`, `2 min 5 s`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
