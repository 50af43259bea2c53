"""`launcher link new|parse|check`: make a link, read one, and try whether one would work.

Short links are in `short.py`.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from launcher.asking import Asking
from launcher.cli import Context, short
from launcher.links.looking import Looking
from launcher.links.preflight import FAIL, OK, WARN, Preflight
from launcher.rehearsal import rehearsal
from launcher.rehearsal.rehearsal import Rehearsals
from link_generator.apps import APPS
from link_generator.dialects import DIALECTS, Place, parse_any
from link_generator.env_part import split_env
from link_generator.form import fill, write
from link_generator.link import FIELDS

WORDS = {OK: "ok  ", WARN: "warn", FAIL: "FAIL"}


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("link")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    new_ = words.add_parser("new", help="make a link")
    new_.add_argument("--env", default="", help="ENV or ENV@TAG: address, gh/org/repo or a name")
    for name in ("--repo", "--branch", "--only", "--path"):
        new_.add_argument(name, default="")
    new_.add_argument("--dir", default="", help="the content's folder; empty: its own name")
    new_.add_argument("--urlpath", default="", help="a page in place of the app: proxy/8501/")
    new_.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="REPO[@BRANCH]",
        help="a further content repository; may be given more than once",
    )
    new_.add_argument("--app", default="lab", choices=tuple(APPS))
    new_.add_argument("--dialect", default="launcher", choices=tuple(DIALECTS), help="whose link")
    new_.add_argument("--host", default="", help="the server that it leads to")
    new_.add_argument("--server", default="", help="a named server of a JupyterHub")
    new_.set_defaults(handler=new)
    for name, handler, what in (
        ("parse", parse, "show what a link names"),
        ("check", check, "try whether a link would work, without starting anything"),
    ):
        words_of = words.add_parser(name, help=what)
        words_of.add_argument("url")
        words_of.set_defaults(handler=handler)
    rehearse_ = words.add_parser(
        "rehearse", help="click it as a throw-away student and run the notebook top to bottom"
    )
    rehearse_.add_argument("url")
    rehearse_.add_argument("--timeout", type=float, default=600.0, help="seconds for one cell")
    rehearse_.add_argument(
        "--longest", type=float, default=rehearsal.LONGEST, help="seconds for all of it"
    )
    rehearse_.set_defaults(handler=rehearse)
    short.add_parsers(words)


def new(args: argparse.Namespace, context: Context) -> int:
    filled = fill(fields_of(args))
    place = Place(host=args.host, server=args.server)
    made = write(filled, args.dialect, place, context.config.public_url)
    said = {"url": made.url, "config": made.config, "warnings": [*filled.notes, *made.notes]}
    context.show(said, f"{made.url}\n\n{made.config}".strip())
    return 0


def fields_of(args: argparse.Namespace) -> dict[str, str]:
    """The words as the fields of the page's form."""
    fields = {name: getattr(args, name) for name in FIELDS}
    for number, also in enumerate(args.also, start=2):
        repo, branch = split_env(also)
        fields |= {f"repo{number}": repo, f"branch{number}": branch}
    return fields


def parse(args: argparse.Namespace, context: Context) -> int:
    draft, notes = parse_any(args.url)
    fields = asdict(draft)
    shown = {
        **fields,
        "more": "; ".join(f"{c.repo} {c.branch} {c.only}".strip() for c in draft.more),
    }
    lines = [f"{name:7} {value}" for name, value in shown.items() if value]
    context.show({**fields, "notes": list(notes)}, "\n".join([*lines, *notes]))
    return 0


def check(args: argparse.Namespace, context: Context) -> int:
    link = parse_any(args.url)[0].link()
    parts = context.parts
    rehearsals = Rehearsals(context.config.data / "rehearsals")
    looking = Looking(parts.environments, parts.mirrors, Asking(), patience=60.0)
    checks = Preflight(looking, rehearsals).check(link)
    lines = []
    for one in checks:
        lines.append(f"{WORDS[one.state]} {one.name}: {one.sentence}")
        lines += [f"     {one.hint}"] if one.hint and one.state != OK else []
    context.show([asdict(one) for one in checks], "\n".join(lines))
    return 1 if any(one.state == FAIL for one in checks) else 0


def rehearse(args: argparse.Namespace, context: Context) -> int:
    link = parse_any(args.url)[0].link()
    found = rehearsal.rehearse(
        link,
        server=rehearsal.own_address(context.config),
        sessions_url=context.config.sessions_url,
        secret=context.parts.secret,
        runtime=context.parts.runtime,
        homes=context.parts.homes,
        say=(lambda line: None) if context.json else print,
        timeout=args.timeout,
        longest=args.longest,
    )
    Rehearsals(context.config.data / "rehearsals").keep(link, found)
    word = "ok  " if found.ok else "FAIL"
    said = found.error or f"{found.cells} cells ran in {found.seconds:.0f} s"
    context.show(asdict(found), f"{word} {said}")
    return 0 if found.ok else 1
