"""Short links: a name that students click, and the link that it means now.

What it means can be changed after it was shared; every earlier meaning is kept.
"""

from __future__ import annotations

import difflib
import re
import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from launcher.database import Database
from launcher.database.tables import SHORT_LINK_CHANGES, SHORT_LINKS
from launcher.errors import LaunchError
from link_generator.link import Link, compose_link, parse_link

AFTER = ".,;:!?)>]'\""
SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?")


class BadShortLink(LaunchError):
    """A name or a time that a short link cannot have."""

    def __init__(self, message: str, *, hint: str = "", field: str = "slug") -> None:
        super().__init__(message, hint=hint)
        self.field = field


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
    who: str = ""
    """Who did it; empty for the administrator at the command line."""


@dataclass(frozen=True)
class ShortLink:
    """A name for a link."""

    slug: str
    link: str
    """The launch link, from its path on."""
    title: str = ""
    opens: float = 0.0
    """Unix seconds; 0 is always."""
    closes: float = 0.0
    """Unix seconds; 0 is never."""
    enabled: bool = True
    owner: str | None = None
    """The instructor whose link it is; None for those made at the command line."""
    history: tuple[Change, ...] = ()
    """Oldest first."""

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
    """Each changes at once or not at all, also with two commands at a time."""

    database: Database

    def find(self, slug: str) -> ShortLink | None:
        """The short link of this name, upper case or not, with what a text puts after it."""
        plain = slug.strip().rstrip(AFTER).lower()
        if not SLUG.fullmatch(plain):
            return None
        with self.database.read() as connection:
            return read(connection, plain)

    def get(self, slug: str) -> ShortLink:
        """:raises NoShortLink: with the names that are nearest."""
        found = self.find(slug)
        if found:
            return found
        with self.database.read() as connection:
            known = connection.scalars(select(SHORT_LINKS.c.slug)).all()
        raise NoShortLink(
            f"There is no link called {slug[:80]!r} here.",
            hint="Check its last letters, or ask who gave it to you.",
            near=difflib.get_close_matches(slug.lower(), known, n=3),
        )

    def all(self) -> list[ShortLink]:
        """Sorted by name."""
        with self.database.read() as connection:
            slugs = connection.scalars(select(SHORT_LINKS.c.slug).order_by(SHORT_LINKS.c.slug))
            found = [read(connection, slug) for slug in slugs.all()]
        return [one for one in found if one]

    def save(
        self,
        slug: str,
        link: Link,
        *,
        title: str = "",
        opens: float | None = None,
        closes: float | None = None,
        who: str = "",
        new: bool = False,
    ) -> ShortLink:
        """Make the short link, or change what it means; it stays disabled if it was.

        Times that are None stay as they were; 0 removes them.

        :raises BadShortLink: no name for one, it would close before it opens, or with `new` the
            name is taken.
        """
        if not SLUG.fullmatch(slug):
            raise BadShortLink(
                f"{slug!r} cannot be a link's name.",
                hint="Use small letters, digits and dashes between them, 60 at most.",
            )
        with self.database.write() as connection:
            before = read(connection, slug)
            if before and new:
                raise BadShortLink(f"{slug} is the name of another link.", hint="Choose another.")
            if opens is None:
                opens = before.opens if before else 0.0
            if closes is None:
                closes = before.closes if before else 0.0
            check_times(opens, closes)
            values = {"link": compose_link(link, ""), "opens": opens, "closes": closes}
            if before:
                values["title"] = title or before.title
                connection.execute(
                    update(SHORT_LINKS).where(SHORT_LINKS.c.slug == slug).values(values)
                )
            else:
                values |= {"slug": slug, "title": title, "enabled": True, "owner": who or None}
                connection.execute(insert(SHORT_LINKS), values)
            note(connection, slug, "changed" if before else "made", who)
        return self.get(slug)

    def enable(self, slug: str, *, enabled: bool, who: str = "") -> ShortLink:
        """:raises NoShortLink: there is none of this name."""
        name = self.get(slug).slug
        with self.database.write() as connection:
            changed = update(SHORT_LINKS).where(SHORT_LINKS.c.slug == name)
            connection.execute(changed.values(enabled=enabled))
            note(connection, name, "opened" if enabled else "closed", who)
        return self.get(name)


def read(connection: Connection, slug: str) -> ShortLink | None:
    row = connection.execute(select(SHORT_LINKS).where(SHORT_LINKS.c.slug == slug)).first()
    if row is None:
        return None
    of_it = select(SHORT_LINK_CHANGES).where(SHORT_LINK_CHANGES.c.slug == slug)
    changes = connection.execute(of_it.order_by(SHORT_LINK_CHANGES.c.id)).all()
    history = tuple(Change(one.at, one.what, one.link, one.who) for one in changes)
    return ShortLink(**row._mapping, history=history)


def note(connection: Connection, slug: str, what: str, who: str) -> None:
    """Write what was done to the link into its history."""
    link = connection.scalar(select(SHORT_LINKS.c.link).where(SHORT_LINKS.c.slug == slug))
    change = {"slug": slug, "at": time.time(), "what": what, "link": link, "who": who}
    connection.execute(insert(SHORT_LINK_CHANGES), change)


def check_open(link: ShortLink, now: float) -> None:
    """:raises LinkClosed: it is not open at this time, with when it is."""
    state = link.state(now)
    name = link.title or link.slug
    if state == "early":
        raise LinkClosed(
            f"{name} opens {full_time(link.opens)}, {span(link.opens - now)} from now.",
            hint="Come back then: the same link will work.",
        )
    if state == "late":
        raise LinkClosed(
            f"{name} closed {full_time(link.closes)}, {span(now - link.closes)} ago.",
            hint="Your files are kept: see My sessions. Your teacher can open the link again.",
        )
    if state == "disabled":
        raise LinkClosed(
            f"{name} was closed by who made it.", hint="Your teacher can open the link again."
        )


def full_time(seconds: float) -> str:
    """With its day and zone, for people."""
    return time.strftime("%A %Y-%m-%d %H:%M %Z", time.localtime(seconds))


def span(seconds: float) -> str:
    """A length of time for people, in its two largest units."""
    minutes = max(1, round(seconds / 60))
    parts = [(minutes // 1440, "day"), (minutes // 60 % 24, "hour"), (minutes % 60, "minute")]
    said = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(said[:2])


def check_times(opens: float, closes: float) -> None:
    """:raises BadShortLink: it would close before it opens."""
    if closes and closes <= opens:
        raise BadShortLink(
            f"The link would close before it opens {full_time(opens)}.",
            hint="Swap the two times, or change the other one as well.",
            field="closes",
        )


def check_time(text: str, field: str = "") -> float:
    """A time of this machine's clock, or with its own offset, as Unix seconds; 0 for `none`.

    :raises BadShortLink: it is no time; with the field's name.
    """
    if text in ("", "none"):
        return 0.0
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        hint = "Write 2026-11-23T09:00, or none."
        raise BadShortLink(f"{text!r} is not a time.", hint=hint, field=field) from error


def field_time(seconds: float) -> str:
    """The same for a form's field, to the minute; empty for 0."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%dT%H:%M") if seconds else ""
