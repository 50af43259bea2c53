"""Tests wait for what they expect, and not for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


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
