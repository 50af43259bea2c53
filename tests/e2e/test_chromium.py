"""The browser of these tests is not disturbed by containers that other tests start."""

from __future__ import annotations

import subprocess
import sys

TRY = """
import platform, socket
from tests.e2e.chromium import SOCKET, refuse_netlink
refuse_netlink(SOCKET[platform.machine()])
socket.socket(socket.AF_INET).close()
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)
except OSError as error:
    print(error.strerror)
"""


def test_it_opens_no_netlink_socket():
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, check=True)
    assert done.stdout == "Address family not supported by protocol\n", done.stderr
