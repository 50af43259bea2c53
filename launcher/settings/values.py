"""How values of settings are read: each function takes what YAML holds, or says what it is not."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LONGEST = 100 * 365.25 * 86400
"""Seconds; no calendar reaches what comes after much longer times."""
MOST = 1_000_000
"""Of days, for the same reason."""


def seconds(value: Any) -> float:
    """`90`, `30s`, `10m` or `12h` as seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?", str(value).strip())
    if not found:
        raise ValueError(f"{value!r} is not a time such as 30s, 10m or 12h")
    read = float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2] or "s"]
    if read > LONGEST:
        raise ValueError(f"{value!r} is more than 100 years")
    return read


def size(value: Any) -> int:
    """`1048576`, `512M` or `1G` as bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", str(value).strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"{value!r} is not a size such as 512M or 1G")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


def some(read: Callable[[Any], Any], way_out: str) -> Callable[[Any], Any]:
    """What `read` makes of it, which cannot be 0: here that is not the same as no limit."""

    def above_zero(value: Any) -> Any:
        found = read(value)
        if not found:
            raise ValueError(f"{value} does not mean no limit here; {way_out}")
        return found

    return above_zero


def auto_or(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """None for `auto`, else what `read` makes of it."""
    return lambda value: None if value == "auto" else read(value)


def text(value: Any) -> str:
    if not isinstance(value, str):
        what = "a number" if isinstance(value, int | float) else "not a text"
        raise ValueError(f"{value} is {what}; put it in quotes")
    return value


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} is not a list")
    return tuple(text(item) for item in value)


def ipv4_networks(value: Any) -> tuple[str, ...]:
    """Networks such as 10.1.2.0/24, or single addresses, as the packet filter spells them."""
    return tuple(str(ipaddress.IPv4Network(one)) for one in texts(value))


def ports(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or not all(1 <= count(one) <= 65535 for one in value):
        raise ValueError(f"{value!r} is not a list of ports from 1 to 65535")
    return tuple(value)


def count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is not a whole number")
    return value


def at_least_one(value: Any) -> int:
    if not count(value):
        raise ValueError("it is at least 1")
    return int(value)


def zero_or_more(value: Any) -> float:
    return float(value) if value == 0 and not isinstance(value, bool) else positive(value)


def positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"{value!r} is not a number above 0")
    if not value <= MOST:
        raise ValueError(f"{value!r} is no number up to {MOST}")
    return float(value)


def one_of(*known: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in known:
            raise ValueError(f"{value!r} is none of {', '.join(known)}")
        return str(value)

    return read


def yes_no_auto(value: Any) -> str:
    """`yes`, `no` or `auto`; YAML itself reads the first two as true and false."""
    return one_of("yes", "no", "auto")({True: "yes", False: "no"}.get(value, value))


def url(value: Any) -> str:
    if not re.fullmatch(r"https?://[^/\s?#@]+(/[^\s?#]*)?", text(value)):
        raise ValueError(f"{value!r} is not an address such as https://notebooks.example.org")
    address = str(value).rstrip("/")
    if address.count("/") > 2:
        raise ValueError(f"{value!r} has a path; the launcher needs a host name of its own")
    return address


def sessions_url(value: Any) -> str:
    """An address, or one that begins with `*.` for a name of each session; or empty."""
    address = url(value) if text(value) else ""
    if "*" in re.sub(r"^https?://\*\.(?=[^.])", "", address):
        raise ValueError(f"{value!r} may only begin with *., as in https://*.sessions.example.org")
    return address


def session_address(sessions_url: str, session_id: str) -> str:
    """Where a session is, of what `sessions_url` reads."""
    return sessions_url.replace("*", session_id)


def host_name(host: str) -> str:
    """The name in a Host header, as browsers compare it; empty where there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def origins(value: Any) -> tuple[str, ...]:
    origins = tuple(one.rstrip("/").lower() for one in texts(value))
    for origin in origins:
        if origin != "*" and not re.fullmatch(r"https?://[^/\s?#@*]+", origin):
            raise ValueError(f"{origin!r} is neither https://HOST nor '*'")
    return origins


def proxy(value: Any) -> str:
    """Students read it, so it holds no password."""
    if not text(value):
        return ""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value!r} is not http://HOST:PORT")
    if parts.username or parts.password:
        raise ValueError("students could read its user name and password; name one without")
    return str(value)


def mirror(needs: str = "") -> Callable[[Any], str]:
    """The address of a mirror with `needs` in it; what must be there may also be missing whole."""

    def read(value: Any) -> str:
        if needs and text(value) == "":
            return ""
        good = re.fullmatch(r"(https?|file)://[A-Za-z0-9._~:/?&=@%+{}-]+", text(value))
        if not good or needs not in value:
            raise ValueError(f"{value!r} is not an address" + (f" with {needs}" if needs else ""))
        return str(value).rstrip("/")

    return read


def index(value: Any) -> str:
    if re.match(r"\w+://[^/]*@", text(value)):
        raise ValueError("every session would see its password; put that into builds.netrc_file")
    return str(value)


def address(value: Any) -> tuple[str, int]:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def address_or_none(value: Any) -> tuple[str, int] | None:
    return address(value) if value else None


def network_of_sessions(value: Any) -> str:
    """A network's name that is none of the engine's own, on which sessions had no walls."""
    if value in ("bridge", "default", "host", "none"):
        raise ValueError(f"{value!r} is the engine's own; name one that the launcher makes")
    return docker_network(value)


def docker_network(value: Any) -> str:
    """The engine itself makes a network of any name, such as one that is a single quote."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", text(value)):
        raise ValueError(
            f"{value!r} is no network's name: they begin with a letter or digit and have only "
            "letters, digits, dots, dashes and underscores"
        )
    return str(value)


def docker_network_or_none(value: Any) -> str:
    return docker_network(value) if text(value) else ""


def networks(value: Any) -> tuple[str, ...]:
    """Addresses or networks, such as `10.0.0.0/8`."""
    return tuple(str(ipaddress.ip_network(one, strict=False)) for one in texts(value))


def data_folder(value: Any) -> Path:
    if text(value):
        return Path(value).expanduser().absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/launcher")
    return Path.home() / ".local/share/launcher"


def ca_bundle(value: Any) -> Path | None:
    named = os.environ.get("SSL_CERT_FILE", "") if value == "auto" else text(value)
    if not named:
        return None
    if not Path(named).is_file():
        raise ValueError(f"there is no file {named}")
    return Path(named)


def folder_path(value: Any) -> Path | None:
    if not text(value):
        return None
    path = Path(value).expanduser().absolute()
    if not path.is_dir():
        raise ValueError(f"there is no folder {path}: mkdir -p {path}")
    return path


def file_path(value: Any) -> Path | None:
    if not text(value):
        return None
    path = Path(value).expanduser().absolute()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path
