"""The proxy to the internet that this machine's environment names, for what starts without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

HERE = ("localhost", "127.0.0.1", "::1")
"""Never by a proxy: a session's own server, and what a build starts for itself."""
SHORTEST = 4
"""Characters of a password; a shorter one would blot out half of a log, and protects nothing."""


@dataclass(frozen=True)
class Proxy:
    """Variables by which programs find it, in both spellings; none where there is none."""

    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def hidden(self, line: str) -> str:
        """The line without the proxy's password."""
        for address in set(self.variables.values()):
            person, at, _ = address.rpartition("@")
            _, _, password = person.rpartition("://")[2].partition(":")
            for secret in {password, unquote(password)} if at else ():
                if len(secret) >= SHORTEST:
                    line = line.replace(secret, "***")
        return line

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it is."""
        known = {self.variables.get(name, "") for name in ("http_proxy", "https_proxy")}
        return tuple(sorted(known - {""}))


NO_PROXY = Proxy()


def proxy_of_environment() -> Proxy:
    """What `http_proxy`, `https_proxy` and `no_proxy` say here, or their like in capitals."""
    known = getproxies_environment()
    return proxy_of(known.get("http", ""), known.get("https", ""), known.get("no", ""))


def proxy_of(http: str, https: str, spared: str = "") -> Proxy:
    """The proxy for plain http, for https, and the hosts that are reached without, by commas."""
    told = {"http_proxy": with_scheme(http), "https_proxy": with_scheme(https)}
    told = {name: address for name, address in told.items() if address}
    if not told:
        return NO_PROXY
    names = [one for one in (name.strip() for name in spared.split(",")) if one]
    told["no_proxy"] = ",".join(dict.fromkeys([*names, *HERE]))
    return Proxy({**told, **{name.upper(): value for name, value in told.items()}})


def with_scheme(address: str) -> str:
    """`proxy.example:3128` is understood by some programs only."""
    return f"http://{address}" if address and not urlsplit(address).netloc else address
