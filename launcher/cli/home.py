"""`launcher home bin|restore`: students' folders that were removed, while they are still there."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

from launcher.cli import Context
from launcher.homes.bin import Bin
from launcher.homes.home import Homes
from launcher.people.audit import Audit, at_the_terminal


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("home")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    words.add_parser("bin", help="what was removed, oldest first").set_defaults(handler=list_)
    restore_ = words.add_parser("restore", help="give a folder back to its student")
    restore_.add_argument("id", metavar="ID", help="from `launcher home bin`")
    restore_.set_defaults(handler=restore)


def list_(_args: argparse.Namespace, context: Context) -> int:
    until = context.config.homes.bin_days * 86400
    rows = [{**asdict(one), "until": one.at + until} for one in bin_of(context).all()]
    lines = [
        f"{row['id']}  until {time.strftime('%Y-%m-%d', time.localtime(row['until']))}  "
        f"{row['student']}/{row['course']}  {row['why']}"
        for row in rows
    ]
    context.show(rows, "\n".join(lines) or "The bin is empty.")
    return 0


def restore(args: argparse.Namespace, context: Context) -> int:
    back = bin_of(context).restore(args.id)
    target = f"{back.student}/{back.course}"
    Audit(context.database).note(at_the_terminal(), "work restored", back.course, back.id)
    context.show(asdict(back), f"{target} is where it was.")
    return 0


def bin_of(context: Context) -> Bin:
    data = context.config.data
    return Bin(data / "bin", Homes(data / "homes"))
