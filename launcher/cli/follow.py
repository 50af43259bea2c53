"""A build in the terminal while it runs: its lines, and below them the stage and its time."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TextIO

from envs.build import Build, in_words
from envs.build_log import Line
from envs.stages import Stage, stages_of
from envs.store import Store

CLEAR = "\r\x1b[K"
"""Back to the line's begin, and what is on it is gone: ECMA-48."""
TURNS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


@dataclass
class Display:
    """Prints to a terminal or, without the last line and the names of stages, to anything else."""

    out: TextIO
    terminal: bool
    stage: str = ""
    turn: int = 0

    def show(self, lines: tuple[Line, ...], stages: tuple[Stage, ...], seconds: float) -> None:
        """Print the new lines below the names of their stages, then where the build is."""
        self.clear()
        names = {line.number: stage.name for stage in stages for line in stage.lines}
        for line in lines:
            name = names.get(line.number, "")
            if self.terminal and name != self.stage:
                self.stage = name
                self.out.write(f"\x1b[1m{name}\x1b[0m\n")
            self.out.write(f"  {line.text}\n" if self.terminal else f"{line.text}\n")
        if self.terminal and stages and stages[-1].state == "active":
            self.turn += 1
            began = stages[-1].began or 0.0
            now = f"{TURNS[self.turn % len(TURNS)]} {stages[-1].name}"
            now += f" {in_words(seconds - began)}, {in_words(seconds)} in all"
            self.out.write(now[: shutil.get_terminal_size().columns - 1])
        self.out.flush()

    def clear(self) -> None:
        if self.terminal:
            self.out.write(CLEAR)


def follow_build(store: Store, name: str, display: Display, *, every: float = 0.2) -> Build | None:
    """Show the image's newest build from its beginning to its end; None if there was none."""
    shown = 0
    try:
        while True:
            build = store.records.newest(name)  # before its lines: then none of them is missed
            if build is None:
                return None
            lines = store.records.log_lines(name)
            if len(lines) < shown:  # it was begun again
                shown = 0
            stages = stages_of(lines, outcome=build.outcome, ended=build.seconds)
            running = build.outcome == "running"
            took = time.time() - build.started if running else build.seconds
            display.show(lines[shown:], stages, took)
            shown = len(lines)
            if not running:
                return build
            time.sleep(every)
    finally:
        display.clear()
        display.out.flush()


def outcome_of(build: Build) -> str:
    """The last words for a person."""
    if build.outcome == "built":
        return f"{build.name} was ready after {in_words(build.seconds)}"
    said = f"{build.name} {build.outcome} after {in_words(build.seconds)}: {build.error}"
    return f"{said}\n  {build.hint}" if build.hint else said
