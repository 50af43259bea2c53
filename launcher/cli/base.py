"""`launcher base build`: make the base image of each Python before anybody clicks."""

from __future__ import annotations

import argparse
from typing import Any

from envs.errors import NotOffered
from launcher.cli import Context


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("base")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    build_ = words.add_parser("build", help="build the base of a Python version")
    build_.add_argument("python", nargs="*", metavar="X.Y", help="default: 3.11")
    build_.add_argument("--again", action="store_true", help="build it even if it is there")
    build_.set_defaults(handler=build)


def build(args: argparse.Namespace, context: Context) -> int:
    bases = context.parts.store.builder.bases
    if bases is None:
        raise NotOffered(
            f"There are no base images without Docker ({context.parts.why_runtime}).",
            hint="The local runtime prepares what it needs by itself.",
        )
    made = []
    for python in args.python or ["3.11"]:
        base = bases.base(python)
        if args.again:
            bases.build(base, say=print_unless(context.json))
        else:
            bases.ensure(python, say=print_unless(context.json))
        made.append({"python": python, "image": base.name})
    context.show(made, "\n".join(f"{one['image']} is ready" for one in made))
    return 0


def print_unless(quiet: bool) -> Any:
    """Takes log lines: prints them, or drops them where only JSON may be printed."""
    return (lambda line: None) if quiet else print
