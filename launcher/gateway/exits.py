"""Why the gateway's process ended at once, as exit codes. 1 and 2 are Python's and argparse's."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What it could not do."""

    CERTIFICATE = 10
    """Read the certificate or its key."""
    LISTEN = 11
    """Take the public port."""
    REDIRECT = 12
    """Take the port of plain http."""
