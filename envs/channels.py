"""Channels of an environment: which tag `stable` and `next` mean now, and what they meant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from envs.errors import BadEnvironment
from envs.json_file import changing, read

STABLE, NEXT = "stable", "next"


@dataclass(frozen=True)
class Channels:
    """One small file; it changes at once or not at all, also with two commands at a time."""

    file: Path

    def tag(self, name: str, channel: str) -> str:
        """The tag that the channel of the environment `name` stands for; empty for none yet."""
        row = read(self.file).get(name, {})
        if channel == NEXT:
            return str(row.get(NEXT, ""))
        tags = row.get(STABLE, [])
        return str(tags[-1]) if tags else ""

    def kept(self, name: str, channel: str) -> tuple[str, ...]:
        """The tags whose images must stay: the channel's, and the one that a rollback goes to."""
        row = read(self.file).get(name, {})
        if channel == NEXT:
            return (str(row[NEXT]),) if row.get(NEXT) else ()
        return tuple(str(tag) for tag in row.get(STABLE, [])[-2:])

    def offer(self, name: str, tag: str) -> None:
        """Let `next` stand for the tag."""
        with changing(self.file) as rows:
            rows.setdefault(name, {})[NEXT] = tag

    def promote(self, name: str, tag: str, before: str) -> None:
        """Let `stable` stand for the tag; `before` is what it stood for without a promotion."""
        with changing(self.file) as rows:
            row = rows.setdefault(name, {})
            tags = row.get(STABLE) or ([before] if before else [])
            row[STABLE] = [*(one for one in tags if one != tag), tag]
            if row.get(NEXT) == tag:
                del row[NEXT]

    def rollback(self, name: str) -> tuple[str, str]:
        """Let `stable` stand for what it stood for before; the tag that it leaves and that one.

        :raises BadEnvironment: there was none before.
        """
        with changing(self.file) as rows:
            tags = rows.get(name, {}).get(STABLE, [])
            if len(tags) < 2:
                raise BadEnvironment(
                    f"{name} has no earlier version to go back to.",
                    hint=f"Name one: launcher env promote {name} TAG.",
                )
            left = tags.pop()
            return left, tags[-1]
