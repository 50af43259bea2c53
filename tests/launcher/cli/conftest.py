"""Commands that serve, run within a test."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

from launcher import logs
from launcher.cli import demo, serve
from launcher.machine import open_files


@pytest.fixture
def unchanged_process(monkeypatch):
    """The tests' own process keeps its signals, its log and its limits."""
    kept = SimpleNamespace(SIGTERM=signal.SIGTERM, SIGINT=signal.SIGINT, signal=lambda *_: None)
    monkeypatch.setattr(demo, "signal", kept)
    monkeypatch.setattr(serve, "signal", kept)
    monkeypatch.setattr(logs, "set_up", lambda *_: None)
    monkeypatch.setattr(open_files, "raise_limit", open_files.limit)
