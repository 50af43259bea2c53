"""Two ways of doing a thing, in turn, and the ratio of their medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Medians of one run, in seconds."""

    name: str
    ours: float
    baseline_name: str
    baseline: float

    def __str__(self) -> str:
        ratio = self.ours / self.baseline
        return (
            f"{self.name}: {self.ours:.3f} s; {self.baseline_name}: {self.baseline:.3f} s; "
            f"ratio {ratio:.2g}"
        )


def compare(
    name: str,
    ours: Callable[[int], object],
    baseline_name: str,
    baseline: Callable[[int], object],
    *,
    rounds: int = 5,
) -> Ratio:
    """Run both in turn; each gets the round's number, so that it can begin afresh."""
    times: dict[str, list[float]] = {"ours": [], "baseline": []}
    for number in range(rounds):
        for key, run in (("baseline", baseline), ("ours", ours)):
            started = time.perf_counter()
            run(number)
            times[key].append(time.perf_counter() - started)
    return Ratio(
        name,
        statistics.median(times["ours"]),
        baseline_name,
        statistics.median(times["baseline"]),
    )
