#!/usr/bin/env python3
"""Chromium without a window, that does not notice how the machine's network changes.

Each container that starts or ends is a network interface more or less. Chromium hears of it
through netlink, and fails requests under way with ERR_NETWORK_CHANGED, also those on loopback
(https://issues.chromium.org/issues/41465264). So it may open no netlink socket.

Debian's headless shell renders as Chromium does, and has none of its own pages around the page: the
address bar's popups, say, which take longer than most pages that are tested.
"""

import ctypes
import os
import platform
import struct
import sys

CHROMIUM = "/usr/lib/chromium/chromium-headless-shell"
"""Not the one in /usr/bin, a shell that waits for it: signals would end that one only."""
SOCKET = {"x86_64": 41, "aarch64": 198}
"""The number of the system call."""
NO_NEW_PRIVS, SET_SECCOMP, FILTER = 38, 22, 2
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | 97  # EAFNOSUPPORT
NETLINK = 16


def refuse_netlink(number: int) -> None:
    """A seccomp filter for this process and all that it starts."""
    steps = [
        (LOAD, 0, 0, 0),  # the system call
        (IF_EQUAL, 0, 3, number),
        (LOAD, 0, 0, 16),  # its first argument, the address family
        (IF_EQUAL, 0, 1, NETLINK),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, FILTER, program, 0, 0):
        print(f"no seccomp: {os.strerror(ctypes.get_errno())}", file=sys.stderr)


if __name__ == "__main__":
    if platform.machine() in SOCKET:
        refuse_netlink(SOCKET[platform.machine()])
    os.execv(CHROMIUM, [CHROMIUM, *sys.argv[1:]])
