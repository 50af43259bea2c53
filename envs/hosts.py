"""Hosts that links may lead to, and the addresses at which they are then contacted."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from envs.errors import BadEnvironment, HostNotAllowed

Resolve = Callable[[str], tuple[str, ...]]
"""The addresses that a host's name stands for now; none where it stands for nothing."""


def addresses_of(host: str) -> tuple[str, ...]:
    """As this machine resolves it."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(str(info[4][0]).split("%")[0] for info in found))


def check_host(
    url: str, hosts: Sequence[str], *, setting: str, resolve: Resolve = addresses_of
) -> tuple[str, ...]:
    """Refuse an address whose host the setting does not allow; `*` is every public one.

    What the host's name stands for now; nothing where it stands for nothing.

    :raises BadEnvironment: an address that names no host clearly.
    :raises HostNotAllowed: it is not allowed.
    """
    host, port = host_of(url)
    named = {host, f"{host}:{port}"} if port else {host}
    if named & set(hosts):
        return resolve(host)
    if "*" not in hosts:
        raise HostNotAllowed(
            f"This server does not fetch from {host}.",
            hint=f"The administrator can add the host to `{setting}` in the settings.",
        )
    found = resolve(host)
    if not all(ipaddress.ip_address(address).is_global for address in found):
        raise HostNotAllowed(
            f"{host} is not a public address, so this server does not fetch from it.",
            hint=f"The administrator can name the host in `{setting}` in the settings.",
        )
    return found


def pin(url: str, addresses: Sequence[str]) -> tuple[str, str]:
    """A setting of git, and options of ssh, that contact these addresses and no others.

    Between a check and git's own question a name may come to stand for another address.
    Empty for an address that holds no name, and where a proxy asks for it.
    """
    host, port = host_of(url)
    if not addresses or is_address(host) or is_proxied(url):
        return "", ""
    scheme = url.partition(":")[0]
    if scheme not in ("https", "http"):
        return "", f" -oHostName={addresses[0]} -oHostKeyAlias={host}"
    there = ",".join(f"[{one}]" if ":" in one else one for one in addresses)
    number = port or {"https": 443, "http": 80}[scheme]
    return f"http.curloptResolve={host}:{number}:{there}", ""


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_proxied(url: str) -> bool:
    """Whether git leaves the question for the name to a proxy of the environment."""
    known, scheme = getproxies_environment(), url.partition(":")[0]
    if scheme not in ("https", "http") or not (known.get(scheme) or known.get("all")):
        return False
    return not proxy_bypass(host_of(url)[0])


def host_of(url: str) -> tuple[str, int | None]:
    """Host and port of a git address, or BadEnvironment when it is not one."""
    scp = re.fullmatch(r"[\w.-]+@([A-Za-z0-9._-]+):(?!//)[^@]*", url)
    if scp:
        return scp[1].lower(), None
    # urlsplit and git read these differently, so that each would see another host.
    if re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise BadEnvironment(
            f"{url!r} holds a space, a backslash or a control character.",
            hint="Use the https:// address that the repository's clone button gives.",
        )
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh") or not parts.hostname:
        raise BadEnvironment(
            f"{url!r} is not a git address.",
            hint="Use the https:// address that the repository's clone button gives.",
        )
    if parts.password or (parts.username and parts.scheme != "ssh"):
        raise BadEnvironment(
            "The address holds a user name or password.",
            hint="Remove everything between // and @: links are shared with everybody.",
        )
    # A host in percent code, two @ or a ? before the path: git and curl contact another one.
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-fA-F:.]+", parts.hostname) or (
        parts.netloc.count("@") > 1
        or "%" in parts.netloc
        or parts.query
        or parts.fragment
        or "?" in url
        or "#" in url
    ):
        raise BadEnvironment(
            f"{url!r} is not a plain address.",
            hint="Use the https:// address that the repository's clone button gives.",
        )
    try:
        return parts.hostname.lower(), parts.port
    except ValueError as error:
        raise BadEnvironment(f"{url!r} has no valid port.") from error
