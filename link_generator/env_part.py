"""The `env` part of a link as it is written: an address, a short name, an image. No I/O here."""

from __future__ import annotations

import re

SHORT_HOSTS = {"gh": "https://github.com/", "gl": "https://gitlab.com/"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a catalogue may call an environment, so that links can."""
PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = re.compile(
    rf"docker:((?:[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d+)?/)?{PART}(?:/{PART})*)"
    r"(?::([A-Za-z0-9_][\w.-]{0,127}))?"
)
"""An image that exists already, as `docker pull` names it: https://github.com/distribution/reference"""


def split_env(text: str) -> tuple[str, str]:
    """`<env>@<tag>` as its two parts.

    The tag begins after the first @ that follows the address's host, so a tag may hold @ and an
    address may name an ssh user; an @ in an address's path is written %40.
    """
    start = 0
    ssh = re.match(r"(git/)?(ssh://[^/@]*@|[\w.-]+@[\w.-]+:)", text)
    if ssh:
        start = ssh.end()
    elif re.match(r"(git/)?https?://", text):
        slash = text.find("/", text.index("://") + 3)
        start = slash if slash >= 0 else len(text)
    at = text.find("@", start)
    return (text, "") if at < 0 else (text[:at], text[at + 1 :])


def env_image(env: str) -> tuple[str, str] | None:
    """Name and tag of an image that exists already, `latest` where it names none; else None."""
    found = IMAGE.fullmatch(env)
    return (f"docker:{found[1]}", found[2] or "latest") if found else None


def env_address(env: str) -> str:
    """The git address that `env` stands for; empty for a name from the catalogue."""
    head, _, rest = env.partition("/")
    if head in SHORT_HOSTS and rest:
        return SHORT_HOSTS[head] + rest
    if head == "git" and rest:
        return rest
    return env if is_address(env) else ""


def is_address(text: str) -> bool:
    return "://" in text or is_ssh(text)


def is_ssh(text: str) -> bool:
    return text.startswith("ssh://") or bool(re.match(r"[\w.-]+@[\w.-]+:", text))
