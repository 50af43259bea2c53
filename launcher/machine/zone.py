"""The time zone that this machine's clock shows, for sessions and for who plans a class."""

from __future__ import annotations

import os
import re
from pathlib import Path

FILE = Path("/etc/localtime")


def time_zone(file: Path = FILE) -> str:
    """What the variable TZ calls it; empty where nothing says it, which is UTC.

    A name, or where the file is all there is (mounted into a container), the file's rule for the
    years to come, as in POSIX: `CET-1CEST,M3.5.0,M10.5.0/3`.
    """
    if told := os.environ.get("TZ", "").removeprefix(":"):
        return told
    _, _, name = str(file.resolve()).partition("/zoneinfo/")
    return name or rule_in(file)


def rule_in(file: Path) -> str:
    """The last line of a zone's file; see RFC 8536, section 3.3."""
    try:
        found = re.search(rb"\n([^\n]+)\n\Z", file.read_bytes())
    except OSError:
        return ""
    return found[1].decode("ascii", "replace") if found else ""
