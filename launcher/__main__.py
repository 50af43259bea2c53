"""The `launcher` command. Exit codes: 0 done, 1 it failed and said why, 2 the words are off."""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version

from envs.errors import EnvError
from launcher.cli import Context
from launcher.errors import LaunchError
from link_generator.errors import BadLink

COMMANDS = {
    "demo": "serve a sample course and print its link",
    "serve": "serve links and sessions on the one public port",
    "doctor": "check what the launcher needs on this machine",
    "env": "build and look at environments",
    "base": "make the images that environments stand on",
    "link": "make, read and check launch links",
    "session": "list and stop sessions",
    "home": "bring removed folders of students back",
    "pull": "bring a repository's files into a folder, keeping your changes there",
    "snapshot": "undo what a pull did; start a file over",
    "user": "instructors and administrators",
    "audit": "who did what, newest first",
    "backup": "write links, students' work and secrets to a file",
    "restore": "bring a backup into an empty data folder",
    "class": "have sessions ready when a class begins",
}
"""Modules of `launcher.cli`, and what they do; only the one that is asked for is imported, which
takes most of the time of a short command."""
NO_PLACE = (
    *(errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO),
    *(errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
)
"""Why nothing can be written to a folder that somebody named."""
EXPECTED = (EnvError, LaunchError, BadLink)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; expected trouble is a sentence and a hint, never a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_common(common)
    rest = [word for word in common.parse_known_args(words)[1] if not word.startswith("-")]
    parser = create_parser(asked=rest[0] if rest else "")
    args = parser.parse_args(words)
    if getattr(args, "version", False):
        print(f"launcher {version('split-launcher')}")
        return 0
    if not hasattr(args, "handler"):
        parser.print_help()
        return 2
    try:
        return int(args.handler(args, Context.of(args)) or 0)
    except EXPECTED as error:
        if getattr(args, "debug", False):
            raise
        print(f"launcher: {error}", file=sys.stderr)
        if getattr(error, "hint", ""):
            print(f"  {error.hint}", file=sys.stderr)
        return 1
    except PermissionError as error:
        if getattr(args, "debug", False) or not error.filename:
            raise
        print(f"launcher: This user may not use {error.filename}.", file=sys.stderr)
        print(
            "  Run it as root: sudo launcher ... For a data folder of your own: --data FOLDER",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        if getattr(args, "debug", False) or not error.filename or error.errno not in NO_PLACE:
            raise
        print(f"launcher: {error.filename}: {error.strerror}.", file=sys.stderr)
        print(
            "  The data folder is a folder on a disk with room that can be written to; "
            "--data names another one.",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        return 130


def create_parser(*, asked: str) -> argparse.ArgumentParser:
    """The parser with all words of one command, and the names alone of the others.

    Each takes the common options, before or after its own.
    """
    parser = argparse.ArgumentParser(
        prog="launcher",
        description="Opens a class notebook from a link: the environment is built once per tag, "
        "the content is pulled at launch.",
    )
    parser.add_argument("--version", action="store_true", help="print which one this is")
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, what in COMMANDS.items():
        if name == asked:
            module = "classes" if name == "class" else name
            importlib.import_module(f"launcher.cli.{module}").add_parser(commands)
            commands.choices[name].description = what
        else:
            commands.add_parser(name, help=what)
    add_common(parser)
    return parser


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the options that every command takes, down to the last subcommand."""
    known = {text for action in parser._actions for text in action.option_strings}
    options: dict[str, dict[str, str]] = {
        "--settings": {
            "metavar": "FILE",
            "help": "settings (YAML); else $LAUNCHER_SETTINGS or /etc/launcher/settings.yml",
        },
        "--data": {"metavar": "DIR", "help": "the data folder, instead of the settings' one"},
        "--json": {"action": "store_true", "help": "print JSON"},
        "--debug": {"action": "store_true", "help": "show tracebacks"},
    }
    for name, how in options.items():
        if name not in known:
            parser.add_argument(name, default=argparse.SUPPRESS, **how)  # type: ignore[arg-type]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {one.dest: one.help for one in action._choices_actions}
            for name, child in action.choices.items():
                child.description = child.description or told.get(name)
                add_common(child)


if __name__ == "__main__":
    sys.exit(main())
