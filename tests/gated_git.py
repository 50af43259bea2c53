"""A git that asks its host only while a gate is open: a host that hangs as long as a test says."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from envs.git import Git


@dataclass
class GatedGit:
    """Counts what it was asked."""

    git: Git
    asked: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    def check_url(self, url: str) -> None:
        self.git.check_url(url)

    def list_remote(self, url: str, *options: str) -> str:
        self.asked.append(url)
        assert self.gate.wait(60)
        return self.git.list_remote(url, *options)
