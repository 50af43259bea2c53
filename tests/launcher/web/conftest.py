"""What tests of several pages share."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from launcher.web import rate


@pytest.fixture
def no_time_passes(monkeypatch):
    """For limits of so many requests an hour: all of it is left, however long the test takes."""
    monkeypatch.setattr(rate, "time", SimpleNamespace(monotonic=lambda: 0.0, time=time.time))
