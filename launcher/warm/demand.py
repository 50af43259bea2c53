"""How many sessions to keep warm of which kind. No I/O here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What cannot be changed once a session runs."""

    image: str
    egress: str = "web"
    """One of `launcher.session.EGRESS`."""


Counts = Mapping[Kind, int]
"""How many sessions, by kind."""


@dataclass(frozen=True)
class Taken:
    """A click that a warm session was or would have been for."""

    kind: Kind
    at: float
    """Monotonic seconds."""


def demand(taken: Iterable[Taken], *, now: float, window: float) -> dict[Kind, int]:
    """As many as were taken per minute in the last `window` seconds, rounded up."""
    counts: dict[Kind, int] = {}
    for one in taken:
        if now - one.at <= window:
            counts[one.kind] = counts.get(one.kind, 0) + 1
    return {kind: math.ceil(count * 60 / max(window, 60)) for kind, count in counts.items()}


def wanted(*wishes: Counts, most: int) -> dict[Kind, int]:
    """The largest wish for each kind; together at most `most`, the first kinds first."""
    found: dict[Kind, int] = {}
    left = most
    for kind in dict.fromkeys(kind for wish in wishes for kind in wish):
        found[kind] = min(max(wish.get(kind, 0) for wish in wishes), left)
        left -= found[kind]
    return found


def missing(wish: Counts, have: Counts, *, room: int) -> list[Kind]:
    """The kinds to start a session of, the emptiest first; never more than `room`."""
    lacking = {kind: count - have.get(kind, 0) for kind, count in wish.items()}
    found: list[Kind] = []
    while (left := {one: n for one, n in lacking.items() if n > 0}) and len(found) < room:
        kind = max(left, key=lambda one: left[one] / wish[one])
        found.append(kind)
        lacking[kind] -= 1
    return found


def surplus(wish: Counts, have: Counts) -> dict[Kind, int]:
    """How many more there are than wanted."""
    return {one: n - wish.get(one, 0) for one, n in have.items() if n > wish.get(one, 0)}
