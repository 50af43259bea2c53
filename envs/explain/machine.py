"""A full disk, a limit, the network, and an environment that sessions cannot start from."""

from __future__ import annotations

import re

from envs.explain.trouble import NOWHERE, FirstError, Trouble, short
from envs.stages import DOCKERFILE, POST_BUILD

WAIT = "Try again in a minute. If it stays, tell the person who runs this server."
UNREACHABLE = (
    r"Could not resolve host:? ?(?P<git>[\w.-]+)",
    r"Temporary failure resolving '(?P<apt>[\w.-]+)'",
    r"Could not connect to (?P<apt_>[\w.-]+):\d+",
    r"dial tcp: lookup (?P<engine>[\w.-]+)",
    r"failed to lookup address|Temporary failure in name resolution|Name or service not known",
    r"Connection refused|Network is unreachable|[Cc]onnection timed out|operation timed out",
    r"Connection reset by peer|network is unreachable|i/o timeout",
)
UNTRUSTED = (
    r"invalid peer certificate|CERTIFICATE_VERIFY_FAILED|SSL certificate problem"
    r"|certificate (?:verify failed|signed by unknown)"
)
FETCHING = (
    r"(?:Failed to fetch: ?`?|fetch URL |Failed to fetch |for url \()(?P<url>https?://[^\s`)]+)"
)


def read(trouble: Trouble) -> FirstError | None:
    return full_disk(trouble) or limits(trouble) or cannot_run(trouble) or network(trouble)


def full_disk(trouble: Trouble) -> FirstError | None:
    found = trouble.find(r"[Nn]o space left on device|Disk quota exceeded")
    return found and FirstError(
        "The disk of this server is full.",
        "The person who runs this server must make room: `launcher env list` shows what is kept.",
        log_line=trouble.number(found),
    )


def limits(trouble: Trouble) -> FirstError | None:
    late = re.match(r"The build took longer than (\d+) s", trouble.said)
    if late:
        return FirstError(
            f"The build was stopped after {late[1]} s.",
            "Ask for less, or have `builds.timeout` raised.",
            *blamed(trouble),
            log_line=trouble.lines[-1].number if trouble.lines else 0,
        )
    killed = re.search(r"exit code:? 137|exit status:? 137|signal: 9", trouble.said)
    place = blamed(trouble)
    return killed and FirstError(
        f"{'It' if place[0] else 'The build'} was killed, most likely because memory ran out.",
        "Ask for fewer packages at once, or for a server with more memory.",
        *place,
        log_line=trouble.lines[-1].number if trouble.lines else 0,
    )


def blamed(trouble: Trouble) -> tuple[str, int]:
    """The script, where one ran."""
    scripts = [path for path in trouble.texts if path.endswith("postBuild")]
    return (scripts[0], 0) if scripts and trouble.stage == POST_BUILD else NOWHERE


def cannot_run(trouble: Trouble) -> FirstError | None:
    """The smoke run's words: `envs/smoke.py`."""
    start = re.match(r"The (?:image|environment) cannot run sessions: ", trouble.said)
    if not start:
        return None
    pairs = re.findall(
        r"The package `(\S+)` requires `([\w.-]+)([^`]*)`, but (.*)", trouble.printed
    ) or re.findall(r"The package `(\S+)` requires `([\w.-]+)([^`]*)`, but (.*)", trouble.said)
    for name, other, fit, has in sorted(pairs, key=lambda one: not any(trouble.place_of(one[1]))):
        has = has.replace("`", "").rstrip(". ")
        return FirstError(
            f"The packages do not fit together: {name} requires {other}{fit}, but {has}.",
            f"Ask for a version of {other} that fits, or leave its version open.",
            *trouble.place_of(other),
        )
    its = re.search(r"\bits (?:kernel|server|packages)\b.*", trouble.said)
    return its and FirstError(
        f"Sessions cannot run in it: {short(its[0])}",
        "Change the versions that the environment's files ask for.",
    )


def network(trouble: Trouble) -> FirstError | None:
    """Not what a script met: it may well have gone on."""
    if trouble.stage in (POST_BUILD, DOCKERFILE):
        return None
    untrusted = trouble.find(UNTRUSTED)
    found = untrusted or next((one for p in UNREACHABLE if (one := trouble.find(p))), None)
    if found is None:
        return None
    asked = trouble.find(FETCHING)
    host = next((one for one in found.groupdict().values() if one), "")
    host = host or (re.sub(r"https?://([^/:]+).*", r"\1", asked["url"]) if asked else "")
    where = host or "A server on the network"
    number = trouble.number(asked or found)
    place = trouble.place_of_text(f"//{host}") if host else NOWHERE
    if untrusted:
        way = "The person who runs this server names its certificate authority in `ca_bundle`."
        return FirstError(f"The certificate of {where} is not trusted here.", way, *place, number)
    return FirstError(f"{where} could not be reached during the build.", WAIT, *place, number)
