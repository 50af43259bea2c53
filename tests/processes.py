"""What runs on this machine; the engine of the tests is this machine's, too."""

from __future__ import annotations

import contextlib
from pathlib import Path


def runs(command: str) -> bool:
    """True while a process runs whose command begins so."""
    wanted = command.replace(" ", "\0").encode()
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if one.read_bytes().startswith(wanted):
                return True
    return False
