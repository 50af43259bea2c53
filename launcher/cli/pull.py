"""`launcher pull URL DIR`: bring a repository's files into a folder, keeping what is yours there.

Exit code 0 exactly when the content is in place.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envs.git import Git
from launcher.content.here import pull_here

if TYPE_CHECKING:
    from launcher.cli import Context


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("pull")
    parser.add_argument("url", metavar="URL", help="https, http or ssh address")
    parser.add_argument("folder", metavar="DIR", help="made if it is missing")
    parser.add_argument("--branch", default="", metavar="REF", help="branch, tag or commit id")
    parser.add_argument(
        "--depth",
        type=depth,
        default=1,
        metavar="N",
        help="commits of history, 0 is all; else 1",
    )
    parser.add_argument(
        "--backup", action="store_true", help="rename DIR to a backup, then start afresh"
    )
    parser.set_defaults(handler=handler)


def depth(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of commits; 0 is all")
    return int(text)


def handler(args: argparse.Namespace, context: Context) -> int:
    receipt = pull_here(
        args.url,
        Path(args.folder),
        branch=args.branch,
        depth=args.depth,
        backup=args.backup,
        git=Git(timeout=60.0, personal=True),
    )
    context.show(receipt.as_json(), receipt.sentence())
    return 0
