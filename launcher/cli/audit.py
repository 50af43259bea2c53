"""`launcher audit`: who did what, newest first."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

from launcher.cli import Context
from launcher.people.audit import Audit


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("audit")
    parser.add_argument("-n", "--number", type=int, default=50, help="so many lines")
    parser.set_defaults(handler=show)


def show(args: argparse.Namespace, context: Context) -> int:
    deeds = Audit(context.database).last(max(1, args.number))
    lines = [
        f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(one.at))}  {one.who}: {one.what}"
        f" {one.target}".rstrip()
        + (f" ({one.detail})" if one.detail else "")
        for one in deeds
    ]
    context.show([asdict(one) for one in deeds], "\n".join(lines) or "Nothing yet.")
    return 0
