"""Ways into private repositories, named in the settings; what they hold stays in their files."""

from __future__ import annotations

import base64
import functools
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from envs.errors import GitHostDown

log = logging.getLogger(__name__)

PORTS = {"https": 443, "http": 80, "ssh": 22}
HUB = ("docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com")
"""Names of the registry that images are from which name none."""


@dataclass(frozen=True)
class Credential:
    """A token or a deploy key for every repository below one address."""

    name: str
    url: str
    """`https://host/org/` or `git@host:org/repo`: a repository, or all below a folder."""
    file: Path
    """Holds the token, or is the private key where `url` is an ssh address."""
    username: str = "x-access-token"
    """Sent with a token; GitHub and GitLab take any, Bitbucket and Gitea the account's."""

    @property
    def is_ssh(self) -> bool:
        return parts_of(self.url)[0][0] == "ssh"

    def opens(self, url: str) -> bool:
        """True for an address at or below this one: same scheme, host and port."""
        try:
            place, path = parts_of(url)
            own_place, own_path = parts_of(self.url)
        except ValueError:
            return False
        return place == own_place and path[: len(own_path)] == own_path

    def header(self) -> str:
        """The HTTP header that a token is sent in.

        :raises GitHostDown: its file cannot be read.
        """
        token = self.check_file().read_text("utf-8").strip()
        pair = base64.b64encode(f"{self.username}:{token}".encode()).decode()
        return f"Authorization: Basic {pair}"

    def check_file(self) -> Path:
        """The file, which is there and holds something.

        :raises GitHostDown: it cannot be read; the log says which one.
        """
        try:
            if self.file.read_text("utf-8").strip():
                return self.file
            trouble = "it is empty"
        except (OSError, ValueError) as error:
            trouble = getattr(error, "strerror", "") or "it is not text"
        log.error("credential %s: %s: %s", self.name, self.file, trouble)
        raise GitHostDown(
            f"This server's credential {self.name!r} cannot be read.",
            hint="Tell the person who runs this server.",
        )


def find_credential(credentials: Sequence[Credential], url: str) -> Credential | None:
    """The credential for an address; of several the one for the longest."""
    found = [one for one in credentials if url and one.opens(url)]
    return max(found, key=lambda one: len(parts_of(one.url)[1]), default=None)


def parts_of(url: str) -> tuple[tuple[str, str, int], list[str]]:
    """Scheme, host and port, and the parts of the path without `.git`.

    :raises ValueError: no such address, or one whose path a server may read in two ways.
    """
    scp = re.fullmatch(r"[\w.-]+@([\w.-]+):/?(.*)", url)
    if scp and "://" not in url:
        scheme, host, port, path = "ssh", scp[1], 22, scp[2]
    else:
        split = urlsplit(url)
        scheme, host, path = split.scheme.lower(), split.hostname or "", split.path
        if scheme not in PORTS or not host:
            raise ValueError(url)
        port = split.port or PORTS[scheme]
    if re.search(r"%2f|%5c|\\", path, re.IGNORECASE):
        raise ValueError(url)
    parts = [unquote(part) for part in path.strip("/").removesuffix(".git").split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise ValueError(url)
    return (scheme, host.lower(), port), parts


@functools.lru_cache(maxsize=256)
def place_of(address: str) -> tuple[str, str] | None:
    """Host and path of a repository or an image; None for what is neither.

    Every way to spell an address is one place: scheme and port, upper case, a final dot of the
    host, percent-encoding, needless slashes, `.git`. It may be more than one repository, so use it
    to hold something to a rule, never to open something to it.
    """
    if address.startswith("docker:"):
        return place_of_image(address.removeprefix("docker:"))
    try:
        (_scheme, host, _port), parts = parts_of(address)
    except ValueError:
        return None
    return host.rstrip("."), "/".join(parts).lower().removesuffix(".git")


def place_of_image(name: str) -> tuple[str, str]:
    """The same of an image without its tag: the registry that is asked for it, and its name."""
    host, _, path = name.partition("/")
    if not path or not (host == "localhost" or re.search("[.:]", host)):
        host, path = HUB[0], name
    host = host.removesuffix(":443")
    if host in HUB:
        host, path = HUB[0], path.removeprefix("library/")
    return f"docker:{host}", path


def same_place(one: str, other: str) -> bool:
    """Whether two addresses may lead to one repository, see `place_of`."""
    return (place_of(one) or one) == (place_of(other) or other)
