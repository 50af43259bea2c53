"""Short links: a name that students click, and the link that it means now.

What it means can be changed after it was shared; every earlier meaning is kept.
"""

from __future__ import annotations

import difflib
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from launcher.errors import LaunchError
from link_generator.link import Link, compose_link, parse_link

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")


class BadShortLink(LaunchError):
    """A name or a time that a short link cannot have."""

    field = "slug"


class NoShortLink(LaunchError):
    """There is no short link of this name."""


class LinkClosed(LaunchError):
    """The short link is not open now."""


@dataclass(frozen=True)
class Change:
    """One thing that was done to a short link."""

    at: float
    """Unix seconds."""
    what: str
    """`made`, `changed`, `closed`, `opened`."""
    link: str
    """What it meant from then on."""


@dataclass(frozen=True)
class ShortLink:
    """A name for a link, as the file keeps it."""

    slug: str
    link: str
    """The launch link, from its path on."""
    title: str = ""
    opens: float = 0.0
    """Unix seconds; 0 is always."""
    closes: float = 0.0
    """Unix seconds; 0 is never."""
    enabled: bool = True
    history: tuple[Change, ...] = ()

    def state(self, now: float) -> str:
        """`open`, `early`, `late` or `disabled`."""
        if not self.enabled:
            return "disabled"
        if now < self.opens:
            return "early"
        return "late" if self.closes and now >= self.closes else "open"

    @property
    def meaning(self) -> Link:
        return parse_link(self.link)[0]


@dataclass(frozen=True)
class ShortLinks:
    """A file a link; each changes at once or not at all, also with two commands at a time."""

    folder: Path

    def find(self, slug: str) -> ShortLink | None:
        """The short link of this name, upper case or not."""
        plain = slug.strip().lower()
        return self._read(plain) if SLUG.fullmatch(plain) else None

    def get(self, slug: str) -> ShortLink:
        """:raises NoShortLink: with the names that are nearest."""
        found = self.find(slug)
        if found:
            return found
        near = difflib.get_close_matches(slug.lower(), [one.slug for one in self.all()], n=3)
        raise NoShortLink(
            f"There is no link called {slug[:80]!r} here.",
            hint="Check its last letters, or ask who gave it to you.",
            near=near,
        )

    def all(self) -> list[ShortLink]:
        found = (self._read(path.stem) for path in sorted(self.folder.glob("*.json")))
        return [one for one in found if one]

    def save(
        self,
        slug: str,
        link: Link,
        *,
        title: str = "",
        opens: float = 0.0,
        closes: float = 0.0,
    ) -> ShortLink:
        """Make the short link, or change what it means; it stays disabled if it was.

        :raises BadShortLink: no name for one, or it would close before it opens.
        """
        if not SLUG.fullmatch(slug):
            raise BadShortLink(
                f"{slug!r} cannot be a link's name.",
                hint="Use small letters, digits and dashes between them, 60 at most.",
            )
        if closes and closes <= opens:
            raise BadShortLink("The link would close before it opens.", hint="Swap the two times.")
        meaning = compose_link(link, "")
        with self._changing(slug) as before:
            change = Change(time.time(), "changed" if before else "made", meaning)
            kept = before or ShortLink(slug, meaning)
            return self._write(
                replace(
                    kept,
                    link=meaning,
                    title=title or kept.title,
                    opens=opens,
                    closes=closes,
                    history=(*kept.history, change),
                )
            )

    def enable(self, slug: str, *, enabled: bool) -> ShortLink:
        """:raises NoShortLink: there is none of this name."""
        self.get(slug)
        with self._changing(slug.lower()) as found:
            kept = found or self.get(slug)
            change = Change(time.time(), "opened" if enabled else "closed", kept.link)
            return self._write(replace(kept, enabled=enabled, history=(*kept.history, change)))

    def _read(self, slug: str) -> ShortLink | None:
        try:
            row: dict[str, Any] = json.loads(self._file(slug).read_text("utf-8"))
            history = tuple(Change(**one) for one in row.pop("history"))
            return ShortLink(**row, history=history)
        except FileNotFoundError:
            return None

    def _write(self, link: ShortLink) -> ShortLink:
        temp = self._file(link.slug).with_suffix(".new")
        temp.write_text(json.dumps(asdict(link), indent=1), "utf-8")
        os.replace(temp, self._file(link.slug))
        return link

    @contextmanager
    def _changing(self, slug: str) -> Iterator[ShortLink | None]:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield self._read(slug)

    def _file(self, slug: str) -> Path:
        return self.folder / f"{slug}.json"


def check_open(link: ShortLink, now: float) -> None:
    """:raises LinkClosed: it is not open at this time, with when it is."""
    state = link.state(now)
    name = link.title or link.slug
    if state == "early":
        raise LinkClosed(
            f"{name} opens {clock(link.opens)}, {span(link.opens - now)} from now.",
            hint="Come back then: the same link will work.",
        )
    if state == "late":
        raise LinkClosed(
            f"{name} closed {clock(link.closes)}, {span(now - link.closes)} ago.",
            hint="Your files are kept: see My sessions. Your teacher can open the link again.",
        )
    if state == "disabled":
        raise LinkClosed(
            f"{name} was closed by who made it.", hint="Your teacher can open the link again."
        )


def clock(seconds: float) -> str:
    return time.strftime("%A %Y-%m-%d %H:%M %Z", time.localtime(seconds))


def span(seconds: float) -> str:
    """A length of time for people, in its two largest units."""
    minutes = max(1, round(seconds / 60))
    parts = [(minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute")]
    said = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(said[:2])
