"""Host names of the sessions' own, beside the launcher's: which of them a browser came to.

Browsers keep host names apart. So a session's script can do nothing with the launcher's pages and
cookies, as long as neither host serves anything of the other; nor with another session, where each
has a name to itself. No I/O here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from launcher.settings.values import host_name, session_address

NOTICES_SCRIPT = "/static/notices.js"
"""The one file of the launcher that the sessions' host serves, to each of their pages."""
NOTICES = re.compile(r"/s/[0-9a-f]+/_launcher/notices")
"""Where that script asks for notices there; for those who were let into the session."""


@dataclass(frozen=True)
class SessionsHost:
    """The addresses of both."""

    url: str
    """`https://sessions.example.org`, or with `*.` for a name of each session: `sessions_url`."""
    home: str
    """The launcher's, the setting `public_url`."""

    def address(self, session_id: str) -> str:
        """Where the session's paths begin."""
        return session_address(self.url, session_id)

    def is_for_sessions(self, host: str) -> bool:
        """True for a Host header of such a name, at whatever port: cookies know no ports."""
        name, own = host_name(host), host_name(urlsplit(self.url).netloc)
        if own.startswith("*."):
            return name.endswith(own[1:]) and name != host_name(urlsplit(self.home).netloc)
        return name == own

    def is_of(self, host: str, session_id: str) -> bool:
        """True for the name at which this session is."""
        return host_name(host) == host_name(urlsplit(self.address(session_id)).netloc)


def is_opened(method: str, headers: Mapping[str, str]) -> bool:
    """True where a window opens an address, as far as the browser says; programs say nothing."""
    if method not in ("GET", "HEAD") or headers.get("Upgrade", "").lower() == "websocket":
        return False
    return headers.get("Sec-Fetch-Dest", "document") == "document"
