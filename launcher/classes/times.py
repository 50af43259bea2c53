"""When classes are, as values. No I/O here.

All times are Unix seconds, made from the clock of this machine's zone and looked at anew each time,
so a change of summer time or of the clock itself moves nothing but the moment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from datetime import time as Clock
from typing import Any

from launcher.errors import LaunchError
from launcher.settings.values import at_least_one, seconds, text
from link_generator.link import Link

BEFORE = 15 * 60.0
"""Seconds before a class in which its sessions are started: forty take a minute or two."""
LASTS = 15 * 60.0
"""Seconds after its beginning in which sessions are kept ready for those who come late."""
LONGEST = 12 * 3600.0
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
WEEKLY_KEYS = {"day", "time", "env", "students", "for", "repo", "branch"}


class BadClassTime(LaunchError):
    """A class cannot be planned as it was said; `field` is the part that is wrong."""

    def __init__(self, message: str, *, hint: str = "", field: str = "") -> None:
        super().__init__(message, hint=hint)
        self.field = field


@dataclass(frozen=True)
class ClassTime:
    """One class, once."""

    env: str
    """As in links: a name of the catalogue or an address, with `@` and a tag or without."""
    students: int
    starts: float
    lasts: float = LASTS
    """Seconds from its beginning in which sessions are kept ready."""
    repo: str = ""
    """The content repository, whose copy is refreshed before."""
    branch: str = ""
    id: int = 0
    """0 for one of the settings, which only the settings cancel."""

    @property
    def warm_from(self) -> float:
        return self.starts - BEFORE

    @property
    def ends(self) -> float:
        return self.starts + self.lasts

    def is_near(self, now: float) -> bool:
        """True while sessions should be ready for it."""
        return self.warm_from <= now < self.ends


def class_of(link: Link, students: int, starts: float, lasts: float) -> ClassTime:
    """The class that will click the link, which is checked and spelled as links are."""
    env = f"{link.env}@{link.tag}" if link.tag else link.env
    return ClassTime(env, students, starts, lasts, link.repo, link.branch)


@dataclass(frozen=True)
class Weekly:
    """A class of each week, on this machine's clock."""

    weekday: int
    """0 is Monday."""
    at: Clock
    of: ClassTime
    """With any `starts`."""

    def next(self, now: float) -> ClassTime:
        """The one that is on, or comes next."""
        today = datetime.fromtimestamp(now).date()
        days = (today + timedelta(days=ahead) for ahead in range(-1, 9))
        times = (moment(day, self.at) for day in days if day.weekday() == self.weekday)
        starts = next(one for one in times if one + self.of.lasts > now)
        return replace(self.of, starts=starts)


def moment(day: date, at: Clock) -> float:
    """The time of this day on this machine's clock.

    One that the change to summer time leaves out is as much later; of one that comes twice it is
    the first.
    """
    return datetime.combine(day, at).timestamp()


def parse_moment(words: str, now: float) -> float:
    """`now`, `10:00` (the next one), or a date with a time, with an offset or without.

    :raises BadClassTime: it is none of these.
    """
    if words == "now":
        return now
    try:
        if not re.fullmatch(r"\d{2}:\d{2}", words):
            return datetime.fromisoformat(words).timestamp()
        at = Clock.fromisoformat(words)
    except ValueError as error:
        hint = "Write 10:00 or 2026-11-24T10:00."
        raise BadClassTime(f"{words!r} is no time.", hint=hint, field="at") from error
    today = datetime.fromtimestamp(now).date()
    starts = moment(today, at)
    return starts if starts > now - 60 else moment(today + timedelta(days=1), at)


def read_weekly(value: Any) -> tuple[Weekly, ...]:
    """The setting `classes`."""
    if not isinstance(value, list):
        raise ValueError(f"{value!r} is not a list of classes")
    return tuple(weekly_of(one) for one in value)


def weekly_of(row: Any) -> Weekly:
    if not isinstance(row, dict) or not {"day", "time", "env", "students"} <= row.keys():
        raise ValueError("each class needs at least day, time, env and students")
    for key in row:
        if key not in WEEKLY_KEYS:
            raise ValueError(f"unknown key {key!r}; known: {', '.join(sorted(WEEKLY_KEYS))}")
    name = str(row["day"]).lower()
    days = [number for number, day in enumerate(DAYS) if len(name) > 1 and day.startswith(name)]
    if len(days) != 1:
        raise ValueError(f"day: {row['day']!r} is no day such as tuesday or tue")
    try:
        at = Clock.fromisoformat(text(row["time"]))
    except ValueError as error:  # YAML reads 10:00 without quotes as 600
        raise ValueError(f'time: write it in quotes, "10:00", not {row["time"]!r}') from error
    lasts = seconds(row.get("for", LASTS))
    return Weekly(
        days[0],
        at,
        ClassTime(
            text(row["env"]),
            at_least_one(row["students"]),
            0.0,
            min(lasts, LONGEST),
            text(row.get("repo", "")),
            text(row.get("branch", "")),
        ),
    )
