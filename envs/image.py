"""An image: an environment repository at one commit, built. No I/O here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Image:
    """A built image, as its labels tell it."""

    name: str
    """For example `env/intro-ds:1a2b3c4d5e6f-9f8e7d6c5b4a3928`: slug, commit, hash of its shape."""
    repo: str = ""
    ref: str = ""
    """The tag, branch or commit that was asked for when it was built."""
    commit: str = ""
    size: int = 0
    """Bytes."""
    created: str = ""
    """ISO 8601, UTC."""
    labels: Mapping[str, str] = field(default_factory=dict)


def image_name(repo: str, commit: str, plan: str) -> str:
    """The name of the image that `plan` makes of `repo` at `commit`.

    Two repositories of one last path part differ by the hash, which covers the whole address. It is
    so long that nobody finds an address for a fork whose commits have the names of another's.
    """
    last = re.sub(r"\.git$", "", repo.rstrip("/")).rsplit("/", 1)[-1].rsplit(":", 1)[-1]
    slug = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-") or "env"
    shaped = hashlib.sha256(f"{repo}\n{plan}".encode()).hexdigest()[:16]
    return f"env/{slug}:{commit[:12]}-{shaped}"
