"""Ports on loopback for servers that open them later, in another process."""

from __future__ import annotations

import errno
import os
import random
import socket
from collections import deque
from pathlib import Path

GIVEN_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
HOW_MANY = 12_000
KEPT = 64
"""Ports that stay reserved; so many servers never start at once."""
RESERVED = deque[int]()
"""The files of their sockets, which are bound and never listen."""


def free_port() -> int:
    """A port that nobody has, and that neither the system nor this function gives to others.

    The system's own choice (port 0) could be given out again, to any program that asks or
    connects, before the server that it is meant for opens it. So the port is one below those.
    It stays reserved until many more were asked for, or this process ends: for a server that
    sets SO_REUSEADDR, as servers do.
    """
    try:
        first = int(GIVEN_OUT.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        first = 32_768  # Linux' default
    ports = range(max(1024, first - HOW_MANY), first)
    for port in random.sample(ports, min(100, len(ports))):
        if reserve(port):
            return port
    return reserve(0)


def reserve(port: int) -> int:
    """Bind the port, so that no other call can: its number, or 0 where somebody has it."""
    with socket.socket() as held:
        try:
            held.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return 0
            raise
        # Only now: with it, the socket could be bound beside one that reserves the port already.
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found = int(held.getsockname()[1])
        RESERVED.append(held.detach())
    while len(RESERVED) > KEPT:
        os.close(RESERVED.popleft())
    return found


def why_not_free(host: str, port: int) -> str | None:
    """None where a server could listen there now, else what the system says."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


def is_free(port: int) -> bool:
    """Whether a server could open the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            return True
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
