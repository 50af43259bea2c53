"""Tests wait for what they expect, and not for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from envs import halt


def wait_for(condition: Callable[[], Any], seconds: float = 30.0, every: float = 0.05) -> Any:
    """What `condition` returns as soon as that is true.

    :raises AssertionError: it is not within so many seconds.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {condition}")


def limit_once(condition: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every time limit of a build that begins now is over once `condition` is true."""

    def clock() -> float:
        return time.monotonic() + (1e9 if condition() else 0.0)

    monkeypatch.setattr(halt, "time", SimpleNamespace(monotonic=clock, sleep=time.sleep))
