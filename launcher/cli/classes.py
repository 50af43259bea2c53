"""`launcher class warm|list|cancel|forecast`: sessions that run before a class begins."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from datetime import datetime
from typing import Any

from launcher.classes.classes import Classes
from launcher.classes.forecast import Forecast, forecast
from launcher.classes.times import LASTS, BadClassTime, ClassTime, class_of, parse_moment
from launcher.cli import Context
from launcher.environment import link_of
from launcher.people.audit import Audit, at_the_terminal
from launcher.settings.values import seconds
from link_generator.form import fill
from link_generator.link import Link


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("class", help="have sessions ready when a class begins")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    warm_ = words.add_parser("warm", help="plan a class")
    warm_.add_argument("env", metavar="ENV[@TAG]", help="a name of the catalogue, or an address")
    warm_.add_argument("-n", "--students", type=int, required=True, metavar="N")
    warm_.add_argument("--at", default="now", metavar="TIME", help="10:00, 2026-11-24T10:00 or now")
    warm_.add_argument(
        "--for",
        dest="lasts",
        default=f"{LASTS:.0f}s",
        metavar="TIME",
        help="for those who are late",
    )
    warm_.add_argument("--repo", default="", metavar="URL", help="the content, to be refreshed")
    warm_.add_argument("--branch", default="", metavar="NAME")
    warm_.set_defaults(handler=warm)
    words.add_parser("list", help="classes to come").set_defaults(handler=list_)
    cancel_ = words.add_parser("cancel", help="take a class out of the plan")
    cancel_.add_argument("number", type=int, metavar="NUMBER", help="of `launcher class list`")
    cancel_.set_defaults(handler=cancel)
    forecast_ = words.add_parser("forecast", help="say whether a class fits")
    forecast_.add_argument("env", metavar="ENV[@TAG]")
    forecast_.add_argument("-n", "--students", type=int, required=True, metavar="N")
    forecast_.set_defaults(handler=say_forecast)


def warm(args: argparse.Namespace, context: Context) -> int:
    now = time.time()
    try:
        lasts = seconds(args.lasts)
    except ValueError as error:
        raise BadClassTime(f"--for: {error}.") from error
    link = fill({"env": args.env, "repo": args.repo, "branch": args.branch}).draft.link()
    asked = class_of(link, args.students, parse_moment(args.at, now), lasts)
    said = forecast_of(link, args.students, context)
    made = Classes(context.database).add(asked, now=now)
    Audit(context.database).note(at_the_terminal(), "class planned", made.env, words_of(made))
    lines = [f"Class {made.id}: {words_of(made)}.", said.sentence]
    context.show({**asdict(made), "forecast": asdict(said)}, "\n".join(lines))
    return 0


def list_(_args: argparse.Namespace, context: Context) -> int:
    coming = Classes(context.database, context.config.classes).coming(time.time())
    lines = [f"{one.id or 'weekly':>6}  {words_of(one)}" for one in coming]
    context.show([asdict(one) for one in coming], "\n".join(lines) or "No class is planned.")
    return 0


def cancel(args: argparse.Namespace, context: Context) -> int:
    if not Classes(context.database).cancel(args.number):
        raise BadClassTime(
            f"There is no class {args.number}.",
            hint="`launcher class list` has their numbers; weekly ones are in the settings.",
        )
    Audit(context.database).note(at_the_terminal(), "class cancelled", str(args.number))
    context.show({"cancelled": args.number}, f"Class {args.number} is cancelled.")
    return 0


def say_forecast(args: argparse.Namespace, context: Context) -> int:
    said = forecast_of(link_of(args.env), args.students, context)
    context.show(asdict(said), f"{said.verdict.capitalize()}. {said.sentence}")
    return 0


def forecast_of(link: Link, students: int, context: Context) -> Forecast:
    from launcher.parts import create_capacity
    from launcher.warm.before_class import image_of

    if students < 1:
        raise BadClassTime("A class has at least one student.")
    image = image_of(context.parts.environments, link)
    return forecast(create_capacity(context.config), image, students)


def words_of(one: ClassTime) -> str:
    at = datetime.fromtimestamp(one.starts).astimezone().strftime("%a %Y-%m-%d %H:%M %Z")
    of = f" with {one.repo} {one.branch}".rstrip() if one.repo else ""
    return f"{at}, {one.students} of {one.env}{of}"
