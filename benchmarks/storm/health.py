"""The slowest `/healthz`: `health.py URL` asks until its input ends, in a process of its own.

Within the class it would also measure how long a hundred students on one thread wait for theirs.
"""

from __future__ import annotations

import http.client
import select
import sys
import time
from urllib.parse import urlsplit

PROBE = 0.05
"""Seconds between two looks."""


def main() -> int:
    at = urlsplit(sys.argv[1]).netloc
    look(at)
    print("asking", flush=True)
    slowest = 0.0
    while not select.select([sys.stdin], [], [], PROBE)[0]:
        slowest = max(slowest, look(at))
    print(slowest)
    return 0


def look(at: str) -> float:
    """Seconds until `/healthz` has answered, with the connection that it takes."""
    began = time.perf_counter()
    gateway = http.client.HTTPConnection(at, timeout=60)
    try:
        gateway.request("GET", "/healthz")
        answer = gateway.getresponse()
        answer.read()
    finally:
        gateway.close()
    if answer.status != 200:
        raise SystemExit(f"/healthz answered {answer.status}")
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
