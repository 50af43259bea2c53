"""`launcher link new|parse|check`: make a link, read one, and try whether one would work."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from launcher.cli import Context
from launcher.preflight import FAIL, OK, WARN, Preflight
from link_generator.link import APPS, FIELDS, compose_link, parse_link, split_env

WORDS = {OK: "ok  ", WARN: "warn", FAIL: "FAIL"}


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("link", help="make, read and check launch links")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    new_ = words.add_parser("new", help="make a link")
    new_.add_argument("--env", required=True, help="ENV or ENV@TAG: address, gh/org/repo or a name")
    for name in ("--repo", "--branch", "--only", "--path"):
        new_.add_argument(name, default="")
    new_.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="REPO[@BRANCH]",
        help="a further content repository; may be given more than once",
    )
    new_.add_argument("--app", default="lab", choices=tuple(APPS))
    new_.set_defaults(handler=new)
    for name, handler, what in (
        ("parse", parse, "show what a link names"),
        ("check", check, "try whether a link would work, without starting anything"),
    ):
        words_of = words.add_parser(name, help=what)
        words_of.add_argument("url")
        words_of.set_defaults(handler=handler)


def new(args: argparse.Namespace, context: Context) -> int:
    given = compose_query(args)
    link, notes = parse_link(given)
    url = compose_link(link, context.config.public_url)
    context.show({"url": url, "warnings": list(notes)}, url)
    return 0


def compose_query(args: argparse.Namespace) -> str:
    """The words as a query string: what the form on the page would send."""
    fields = {name: getattr(args, name) for name in FIELDS}
    for number, also in enumerate(args.also, start=2):
        repo, branch = split_env(also)
        fields |= {f"repo{number}": repo, f"branch{number}": branch}
    return "/launch?" + urlencode(fields)


def parse(args: argparse.Namespace, context: Context) -> int:
    link, notes = parse_link(args.url)
    fields = asdict(link)
    shown = {
        **fields,
        "more": "; ".join(f"{c.repo} {c.branch} {c.only}".strip() for c in link.more),
    }
    lines = [f"{name:7} {value}" for name, value in shown.items() if value]
    context.show({**fields, "notes": list(notes)}, "\n".join([*lines, *notes]))
    return 0


def check(args: argparse.Namespace, context: Context) -> int:
    link, _notes = parse_link(args.url)
    parts = context.parts
    with ThreadPoolExecutor(max_workers=4) as background:
        checks = Preflight(parts.environments, parts.mirrors, background).check(link)
    lines = []
    for one in checks:
        lines.append(f"{WORDS[one.state]} {one.name}: {one.sentence}")
        lines += [f"     {one.hint}"] if one.hint and one.state != OK else []
    context.show([asdict(one) for one in checks], "\n".join(lines))
    return 1 if any(one.state == FAIL for one in checks) else 0
