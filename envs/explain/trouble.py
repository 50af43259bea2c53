"""What is known of a build that failed, and what a reader of it found. No I/O here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from envs.build_log import Line

Texts = Mapping[str, str]
"""The text of each file that shapes the environment, by its path."""
Place = tuple[str, int]
"""A file and its line, from 1; an empty name and 0 where nothing is to blame."""
NOWHERE: Place = ("", 0)


@dataclass(frozen=True)
class FirstError:
    """What went wrong first, and the way out."""

    sentence: str
    hint: str = ""
    file: str = ""
    """Path in the environment repository; empty where no file is to blame."""
    line: int = 0
    """From 1; 0 where it is the file as a whole."""
    log_line: int = 0
    """Number of the log's line that says it; 0 where none does."""

    @property
    def message(self) -> str:
        where = f"{self.file} line {self.line}" if self.line else self.file
        return f"{where}: {self.sentence}" if where else self.sentence


@dataclass(frozen=True)
class Trouble:
    """The stage that failed, and the files that it was made from."""

    stage: str
    lines: Sequence[Line]
    """What the stage printed."""
    said: str
    """The builder's last word."""
    texts: Texts

    @cached_property
    def printed(self) -> str:
        return "\n".join(line.text for line in self.lines)

    def find(self, pattern: str) -> re.Match[str] | None:
        """The first match in what was printed, else in the last word; lines do not join."""
        return re.search(pattern, self.printed, re.MULTILINE) or re.search(
            pattern, self.said, re.MULTILINE
        )

    def number(self, match: re.Match[str]) -> int:
        """The log's line that a match of `find` begins on; 0 for one in the last word."""
        if match.string is not self.printed:
            return 0
        return self.lines[self.printed.count("\n", 0, match.start())].number

    def after(self, match: re.Match[str]) -> str:
        """What follows the match, as one line; trees that uv draws are taken away."""
        return re.sub(r"[\s│╰─▶×]+", " ", match.string[match.end() :]).strip()

    def place_of(self, package: str, version: str = "") -> Place:
        """Where the files ask for the package; a line that holds the version, too, wins."""
        name = re.sub(r"[-_.]+", "[-_.]+", re.escape(package).replace("\\", ""))
        asks = re.compile(rf"""^[\s\-"']*{name}(?![\w.-]*[\w])""", re.IGNORECASE)
        holds = re.compile(rf"(?<![\w.-]){name}(?![\w-])", re.IGNORECASE)
        found = [place for place, line in self._code() if asks.search(line)]
        found = found or [place for place, line in self._code() if holds.search(line)]
        exact = [one for one in found if version and version in self._line(one)]
        return (exact or found or [NOWHERE])[0]

    def place_of_text(self, text: str) -> Place:
        """Where the files hold this text."""
        return next((place for place, line in self._code() if text and text in line), NOWHERE)

    def _code(self) -> list[tuple[Place, str]]:
        """Every line of every file, without its comment."""
        return [
            ((path, number), re.split(r"(?:^|\s)#(?!!)", line)[0])
            for path, text in self.texts.items()
            for number, line in enumerate(text.splitlines(), start=1)
        ]

    def _line(self, place: Place) -> str:
        return self.texts[place[0]].splitlines()[place[1] - 1]


def short(text: str, most: int = 300) -> str:
    """One line of text that fits a sentence."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[:most].rstrip()} …"
