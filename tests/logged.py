"""What a part of the launcher says in its log: threads of others may say something at any time."""

from __future__ import annotations

import logging

import pytest


def said_by(caplog: pytest.LogCaptureFixture, *loggers: str) -> list[logging.LogRecord]:
    """The records of these modules."""
    return [record for record in caplog.records if record.name in loggers]
