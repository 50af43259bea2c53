"""`launcher restore FILE`: a backup into an empty data folder; `--check` only reads it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from launcher.backup.checking import check_backup
from launcher.backup.errors import BadBackup
from launcher.backup.restore import restore_backup
from launcher.cli import Context
from launcher.cli.backup import summary, told
from launcher.people.audit import Audit, at_the_terminal


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("restore")
    parser.add_argument("file", metavar="FILE", help="from `launcher backup`")
    parser.add_argument("--check", action="store_true", help="only say whether it is whole")
    parser.set_defaults(handler=restore)


def restore(args: argparse.Namespace, context: Context) -> int:
    file = Path(args.file)
    if not file.exists():
        raise BadBackup(f"There is no file {file}.", hint="Name one that `launcher backup` wrote.")
    if args.check:
        found = check_backup(file)
        context.show(told(found, args.file), f"{file} is whole: {summary(found)}")
        return 0
    data = context.config.data
    found = restore_backup(file, data)
    for note in found.notes:
        print(f"launcher: {note}", file=sys.stderr)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.made))
    Audit(context.database).note(at_the_terminal(), "backup restored", args.file, f"of {when}")
    context.show(told(found, args.file), f"{data} is as it was on {when}: {summary(found)}")
    return 0
