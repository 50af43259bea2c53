"""How many files and connections this process may have open."""

from __future__ import annotations

import contextlib
import os
import resource

WANTED = 65536
"""Enough for a large class; programs that walk through all possible files stay quick."""


def raise_limit() -> int:
    """Lift the process's own limit as far as it may go and makes sense; the limit from then on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return limit()


def limit() -> int:
    """Files that this process may have open at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED if soft == resource.RLIM_INFINITY else soft


def count() -> int:
    """Files that this process has open now."""
    return len(os.listdir("/proc/self/fd"))
