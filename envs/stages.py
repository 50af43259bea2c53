"""The lines of a build log as the stages of the build. No I/O here.

The lines are the store's own words, the steps of a Docker engine (`[2/5] RUN ...`), and the
commands of the local runtime (`$ uv pip install ...`), each followed by what it printed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from envs.build_log import Line

FETCH, READ, BASE = "Fetch", "Read config", "Base"
SYSTEM, PACKAGES, DOCKERFILE = "System packages", "Python packages", "Dockerfile"
R_PACKAGES, POST_BUILD, CHECK = "R packages", "postBuild", "Check"
WAITING, DELEGATED = "Waiting", "repo2docker"

STEP = re.compile(r"(?:CACHED )?\[\s*(?:[\w.-]+\s+)?\d+/\d+\] (.*)|\$ (.*)|Step \d+/\d+ : (.*)")
"""BuildKit's, the local runtime's and the legacy builder's."""
WORDS = (
    (FETCH, re.compile(r"Building env/|Repository |Fetched in ")),
    (READ, re.compile(r"(Used|Ignored|Note): |Keeping to the package versions")),
    (WAITING, re.compile(r"Waiting for a build place|It is your turn")),
    (BASE, re.compile(r"Building the base for |Pulling |Making a Debian ")),
    (DELEGATED, re.compile(r"Handing over to repo2docker: ")),
    (CHECK, re.compile(r"exporting to image|Checking that sessions can start|The image has no ")),
)
RETRY = "That is not possible any more ("
"""The store's words when it builds again, without the versions of the last time."""
STEPS = (
    (POST_BUILD, re.compile(r"\bpostBuild\b")),
    (CHECK, re.compile(r"\bpip freeze\b")),
    (SYSTEM, re.compile(r"\bapt-get install\b")),
    (R_PACKAGES, re.compile(r"\bRscript\b")),
    (PACKAGES, re.compile(r"\bpip install\b|COPY .*requirements.*\.txt|\bconda\b|\brattler\b")),
    (BASE, re.compile(r"^FROM |\buv venv ")),
)


@dataclass(frozen=True)
class Stage:
    """A part of a build."""

    name: str
    lines: tuple[Line, ...]
    state: str = "done"
    """`done`, `active` or `failed`."""
    seconds: float | None = None
    """None while it lasts, and in a log without times."""

    @property
    def began(self) -> float | None:
        return self.lines[0].at


def stages_of(
    lines: Sequence[Line], *, outcome: str = "built", ended: float | None = None
) -> tuple[Stage, ...]:
    """The stages in their order; only the last one can be `active` or `failed`.

    :param outcome: `running`, `built`, `failed`, `cancelled` or `interrupted`.
    :param ended: seconds from the build's begin to its end.
    """
    found: list[tuple[str, list[Line]]] = []
    making_base = own_dockerfile = False
    for line in lines:
        now = found[-1][0] if found else ""
        name = stage_of(line.text, now, making_base=making_base, own_dockerfile=own_dockerfile)
        if line.text.startswith("Building the base for "):
            making_base = True
        elif line.text.startswith("exporting to image"):
            making_base = False
        elif line.text.startswith("Used: "):
            own_dockerfile = bool(re.search(r"\bDockerfile\b", line.text))
        if name != now:
            found.append((name, []))
        found[-1][1].append(line)
    stages = [Stage(name, tuple(own)) for name, own in found]
    ends = [stage.began for stage in stages[1:]] + [None if outcome == "running" else ended]
    timed = [
        replace(stage, seconds=fetching(stage) or between(stage.began, end))
        for stage, end in zip(stages, ends, strict=False)
    ]
    if timed:
        last = {"running": "active", "built": "done"}.get(outcome, "failed")
        timed[-1] = replace(timed[-1], state=last)
    return tuple(timed)


def stage_of(text: str, now: str, *, making_base: bool, own_dockerfile: bool) -> str:
    """The stage that a line belongs to, after one of the stage `now`."""
    if making_base:
        return BASE
    if now == DELEGATED:  # it has steps of its own
        return CHECK if text.startswith("Checking that sessions can start") else DELEGATED
    step = STEP.fullmatch(text)
    if step:
        command = next(part for part in step.groups() if part is not None)
        if own_dockerfile:
            return BASE if command.startswith("FROM ") and now != DOCKERFILE else DOCKERFILE
        return next((name for name, mark in STEPS if mark.search(command)), now or BASE)
    if text.startswith(RETRY):
        return READ
    begins = now in ("", FETCH, READ, WAITING, BASE)
    for name, mark in WORDS:
        if mark.match(text) and (begins or name == CHECK):
            return name
    if now in (READ, WAITING) and not text.startswith("The build failed: "):
        return BASE
    return now or FETCH


def fetching(stage: Stage) -> float | None:
    """What the log says of the time before it began."""
    said = (re.fullmatch(r"Fetched in ([\d.]+) s", line.text) for line in stage.lines)
    return next((float(one[1]) for one in said if one and stage.name == FETCH), None)


def between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(max(end - start, 0.0), 2)
