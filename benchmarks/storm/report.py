"""What a storm cost, as rows of a table, and the targets. No I/O here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

HEAD = (
    f"{'':34}{'p50':>7}{'p95':>7}{'max':>7}{'failed':>8}{'CPU here':>10}{'session':>9}"
    f"{'MB':>6}{'healthz':>9}"
)


@dataclass(frozen=True)
class Row:
    """One storm. Times in seconds, of those who got a notebook."""

    name: str
    times: tuple[float, ...]
    failed: int
    own: float | None = None
    """CPU of the launcher and the gateway for one click."""
    session: float | None = None
    """CPU of one session."""
    memory: float | None = None
    """Megabytes of one session."""
    health: float | None = None
    """The slowest `/healthz` meanwhile."""

    def percentile(self, share: float) -> float:
        """By the nearest rank; not a number where nobody got a notebook."""
        ranked = sorted(self.times)
        return ranked[math.ceil(share * len(ranked)) - 1] if ranked else math.nan

    @property
    def p50(self) -> float:
        return self.percentile(0.5)

    @property
    def p95(self) -> float:
        return self.percentile(0.95)

    def __str__(self) -> str:
        cells = [self.p50, self.p95, self.percentile(1)]
        said = f"{self.name:34}" + "".join(f"{cell:7.2f}" for cell in cells) + f"{self.failed:8}"
        for value, width, digits in (
            (self.own, 10, 3),
            (self.session, 9, 2),
            (self.memory, 6, 0),
            (self.health, 9, 3),
        ):
            said += f"{'' if value is None else f'{value:.{digits}f}':>{width}}"
        return said


def row_of(
    name: str, said: Mapping[str, Any], own: float, sessions: Sequence[Mapping[str, float]]
) -> Row:
    """What the clicks said, with the CPU that the launcher took for all of them."""
    clicks = said["clicks"]
    return Row(
        name,
        tuple(one["usable"] for one in clicks if not one["error"]),
        sum(bool(one["error"]) for one in clicks),
        own / len(clicks),
        mean([one["cpu"] for one in sessions]),
        mean([one["memory"] for one in sessions]),
        said["health"],
    )


def plain_row(name: str, rows: Sequence[Mapping[str, float]]) -> Row:
    times = tuple(one["usable"] for one in rows)
    return Row(name, times, 0, session=mean([one["cpu"] for one in rows]))


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def target(what: str, value: float, most: float) -> str:
    return f"{'met   ' if value <= most else 'MISSED'} {what}: {value:.3g} (at most {most})"


def targets(rows: Mapping[str, Row]) -> list[str]:
    """The targets that the rows say something about."""
    found = []
    warm, cold = rows.get("warm 40"), rows.get("cold 40")
    lean, ordinary = rows.get("plain 40"), rows.get("ordinary 40")
    if warm:
        found += [
            target("40 at once, warm, p50 in s", warm.p50, 0.5),
            target("40 at once, warm, p95 in s", warm.p95, 1.0),
            target("CPU of a warm click in s", warm.own or 0.0, 0.05),
        ]
    if cold and ordinary:
        found.append(target("40 cold, p50 to ordinary containers'", cold.p50 / ordinary.p50, 0.6))
    if cold and lean:
        found.append(target("40 cold, p50 to the same image's, plain", cold.p50 / lean.p50, 1.1))
    if rows:
        found.append(target("failures", sum(row.failed for row in rows.values()), 0))
        slowest = max((row.health or 0.0) for row in rows.values())
        found.append(target("slowest /healthz in s", slowest, 0.1))
    return found
