"""How the tests are shared out to several workers: `pytest -n 6 --dist loadfile`."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

HEAVY = ("browser", "docker", "slow")
"""Markers of tests that take long, the longest first."""
RUNTIMES = re.compile(r"(?:_on_|\[)(docker|local)(?=[][-])")


def part_of(nodeid: str) -> str:
    """Tests of one part run in one worker: a module's, or those of one of its runtimes.

    The fixtures of a module (a box with a launcher, an image) are then made once. Those of
    its two runtimes have nothing in common, so they may run at the same time.
    """
    module, _, test = nodeid.partition("::")
    runtime = RUNTIMES.search(test)
    return f"{module}[{runtime[1]}]" if runtime else module


def heavy_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The modules that take longest first, so that no worker begins one when all others end."""
    ranks: dict[str, int] = {}
    for item in items:
        marks = [n for n, name in enumerate(HEAVY) if item.get_closest_marker(name)]
        rank = min(marks, default=len(HEAVY))
        module = item.nodeid.partition("::")[0]
        ranks[module] = min(rank, ranks.get(module, rank))
    return sorted(items, key=lambda item: ranks[item.nodeid.partition("::")[0]])


def make_scheduler(config: pytest.Config, log: object) -> object | None:
    """Parts instead of files for `--dist loadfile`; any other choice is pytest-xdist's own."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class LoadParts(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return part_of(nodeid)

    config.option.loadscopereorder = False  # else the modules with the most tests come first
    return LoadParts(config, log)
