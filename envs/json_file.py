"""A small JSON file that several processes change: at once or not at all, one after the other."""

from __future__ import annotations

import contextlib
import fcntl
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.atomic import write_text


def read(file: Path) -> dict[str, Any]:
    """What the file holds; empty where there is none, or where it holds no object.

    :raises ValueError: it is no JSON.
    """
    try:
        found = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return found if isinstance(found, dict) else {}


@contextlib.contextmanager
def changing(file: Path, *, heal: bool = False) -> Iterator[dict[str, Any]]:
    """What the file holds, to be changed; it is written at the end of the block if that ends well.

    Meanwhile everybody else who changes it waits. With `heal` a file that is no JSON counts as
    empty and is replaced.

    :raises ValueError: it is no JSON, without `heal`.
    :raises OSError: it cannot be written, and is as it was.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(file.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        rows: dict[str, Any] = {}
        with contextlib.suppress(*[ValueError] if heal else []):
            rows = read(file)
        yield rows
        write_text(file, json.dumps(rows), durable=True)
