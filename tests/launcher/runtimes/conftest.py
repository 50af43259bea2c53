"""Time for the kernel, which ends what it is told to on a busy machine, too."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr("launcher.runtimes.local.cgroups.PATIENCE", 60.0)
