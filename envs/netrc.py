"""Credentials of private package indexes: a netrc file, and how they stay out of logs."""

from __future__ import annotations

import netrc
from dataclasses import dataclass, field
from pathlib import Path

from envs.errors import BuildFailed

SHORTEST = 4
"""Characters; a shorter password would blot out half of a log, and protects nothing."""


@dataclass(frozen=True)
class Netrc:
    """What installers of packages read as `NETRC`."""

    text: str = field(repr=False)
    passwords: tuple[str, ...] = field(repr=False)

    def hidden(self, line: str) -> str:
        """The line without any of the passwords."""
        for password in self.passwords:
            line = line.replace(password, "***")
        return line


def read_netrc(path: Path) -> Netrc:
    """:raises BuildFailed: the file cannot be read; its content is in no message."""
    try:
        text = path.read_text("utf-8")
        found = netrc.netrc(str(path)).hosts.values()
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError) as error:
        raise BuildFailed(
            "The credentials of the package index cannot be read.",
            hint=f"{path} must hold lines `machine HOST login NAME password SECRET`.",
        ) from error
    secrets = {password for _, _, password in found if password and len(password) >= SHORTEST}
    return Netrc(text, tuple(sorted(secrets, key=len, reverse=True)))
