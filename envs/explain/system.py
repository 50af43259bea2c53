"""Debian packages that do not exist, as apt-get says it."""

from __future__ import annotations

from envs.explain.trouble import FirstError, Trouble
from envs.stages import DOCKERFILE, POST_BUILD

SPELLING = "Check its name: `apt-cache search WORD` on Debian finds it."


def read(trouble: Trouble) -> FirstError | None:
    unknown = trouble.find(r"^E: Unable to locate package (\S+)") or trouble.find(
        r"^E: Package '([^']+)' has no installation candidate"
    )
    if unknown:
        sentence, name = f"Debian has no package called {unknown[1]}.", unknown[1]
        return FirstError(sentence, SPELLING, *where(trouble, name), trouble.number(unknown))
    version = trouble.find(r"^E: Version '([^']+)' for '([^']+)' was not found")
    if version is None:
        return None
    return FirstError(
        f"Debian has no version {version[1]} of {version[2]}.",
        f"Leave ={version[1]} out: the environment gets the version of its Debian release.",
        *where(trouble, version[2]),
        log_line=trouble.number(version),
    )


def where(trouble: Trouble, package: str) -> tuple[str, int]:
    """Its line, in apt.txt unless a script or a Dockerfile was at work."""
    own = trouble.stage in (POST_BUILD, DOCKERFILE)
    texts = {p: t for p, t in trouble.texts.items() if own or p.endswith("apt.txt")}
    return Trouble(trouble.stage, trouble.lines, trouble.said, texts).place_of(package)
