"""A git that asks its host only while a gate is open: a host that hangs as long as a test says."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from envs.git import Git


@dataclass
class GatedGit:
    """Counts what it was asked."""

    git: Git
    asked: list[str] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    fetch_gate: threading.Event = field(default_factory=threading.Event)
    """Closed where the host says what it has, and does not give it."""

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        self.gate.set()
        self.fetch_gate.set()

    @property
    def timeout(self) -> float:
        return self.git.timeout

    def environment(self) -> dict[str, str]:
        return self.git.environment()

    def check_url(self, url: str) -> None:
        self.git.check_url(url)

    def list_remote(self, url: str, *options: str) -> str:
        self.asked.append(url)
        assert self.gate.wait(60)
        return self.git.list_remote(url, *options)

    def run(self, *args: str, remote: str = "", **more: Any) -> str:
        assert not remote or self.fetch_gate.wait(60)
        return self.git.run(*args, remote=remote, **more)
