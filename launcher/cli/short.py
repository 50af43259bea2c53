"""`launcher link save|saved|close|open`: short links, changed after they were shared."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

from launcher.cli import Context
from launcher.links.short_links import ShortLink, ShortLinks, check_time, full_time
from launcher.people.audit import Audit, at_the_terminal
from link_generator.dialects import parse_any


def add_parsers(words: Any) -> None:
    save_ = words.add_parser("save", help="give a link a short name, or change what it means")
    save_.add_argument("slug", metavar="NAME", help="of /go/NAME")
    save_.add_argument("url", help="the link, of any kind that `parse` reads")
    save_.add_argument("--title", default="", help="what students read")
    save_.add_argument(
        "--opens", metavar="TIME", help="for example 2026-11-23T09:00, or none; else as before"
    )
    save_.add_argument("--closes", metavar="TIME", help="the same")
    save_.set_defaults(handler=save)
    words.add_parser("saved", help="list short links").set_defaults(handler=saved)
    for name, what in (("close", "let it say that it is closed"), ("open", "open it again")):
        one = words.add_parser(name, help=f"a short link: {what}")
        one.add_argument("slug", metavar="NAME")
        one.set_defaults(handler=switch, enabled=name == "open")


def save(args: argparse.Namespace, context: Context) -> int:
    made = links_of(context).save(
        args.slug,
        parse_any(args.url)[0].link(),
        title=args.title,
        opens=None if args.opens is None else check_time(args.opens, "opens"),
        closes=None if args.closes is None else check_time(args.closes, "closes"),
    )
    note(context, "link changed" if len(made.history) > 1 else "link made", made)
    said = [address(made, context), f"means {made.link}", *times(made)]
    context.show(row(made, context), "\n".join(said))
    return 0


def saved(_args: argparse.Namespace, context: Context) -> int:
    every = links_of(context).all()
    lines = [f"{one.slug:24} {state(one):32} {one.link}" for one in every]
    context.show([row(one, context) for one in every], "\n".join(lines) or "There is none yet.")
    return 0


def switch(args: argparse.Namespace, context: Context) -> int:
    made = links_of(context).enable(args.slug, enabled=args.enabled)
    note(context, "link opened" if args.enabled else "link closed", made)
    context.show(row(made, context), f"{address(made, context)} is {state(made)}")
    return 0


def note(context: Context, what: str, link: ShortLink) -> None:
    Audit(context.database).note(at_the_terminal(), what, link.slug, link.link)


def links_of(context: Context) -> ShortLinks:
    return ShortLinks(context.database)


def row(link: ShortLink, context: Context) -> dict[str, Any]:
    return {"url": address(link, context), "state": link.state(time.time()), **asdict(link)}


def address(link: ShortLink, context: Context) -> str:
    return f"{context.config.public_url}/go/{link.slug}"


def times(link: ShortLink) -> list[str]:
    """A line for each time that it has."""
    known = {"opens": link.opens, "closes": link.closes}
    return [f"{word} {full_time(at)}" for word, at in known.items() if at]


def state(link: ShortLink) -> str:
    now = link.state(time.time())
    with_time = {
        "early": f"opens {full_time(link.opens)}",
        "late": f"closed {full_time(link.closes)}",
    }
    return with_time.get(now, now)
