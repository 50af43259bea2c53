"""What a pull answers: short enough to be read, whatever it did."""

from __future__ import annotations

import json
from typing import Any, Dict, List

MOST = 2000
"""Names of each list."""
ROOM = 100_000
"""Bytes of each list as JSON."""


def shortened(receipt: Dict[str, Any]) -> Dict[str, Any]:
    """The receipt with the first names of each list; `counts` has the true numbers."""
    lists = {name: found for name, found in receipt.items() if isinstance(found, list)}
    return {
        **receipt,
        **{name: first(found) for name, found in lists.items()},
        "counts": {name: len(found) for name, found in lists.items()},
    }


def first(found: List[Any]) -> List[Any]:
    """The first that have room."""
    listed, room = [], ROOM
    for one in found[:MOST]:
        room -= len(json.dumps(one)) + 2
        if room < 0:
            break
        listed.append(one)
    return listed
