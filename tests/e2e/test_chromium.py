"""The browser of these tests is not disturbed by containers that other tests start."""

from __future__ import annotations

import subprocess
import sys

from tests.e2e.chromium import without_popups

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


def test_what_playwright_disables_stays_so_and_the_popups_too():
    words = without_popups(["--headless", "--disable-features=PaintHolding", "about:blank"])
    assert words == [
        "--headless",
        "--disable-features=PaintHolding,WebUIOmniboxPopup,WebUIOmniboxAimPopup",
        "about:blank",
    ]
