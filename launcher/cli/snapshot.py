"""`launcher snapshot list|show|restore|start-over DIR`: undo what a pull did in a folder."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import TYPE_CHECKING, Any

from launcher.content.reconcile.__main__ import run
from launcher.errors import ContentFailed

if TYPE_CHECKING:
    from launcher.cli import Context


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("snapshot")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    list_ = words.add_parser("list", help="what was kept before each pull, newest first")
    show_ = words.add_parser("show", help="what a restore would bring back; of FILE, its lines")
    restore_ = words.add_parser("restore", help="bring files back as copies beside the present")
    over = words.add_parser("start-over", help="the teacher's file again; yours is renamed")
    for word, handler in ((list_, snapshots), (show_, show), (restore_, restore), (over, again)):
        word.add_argument("folder", metavar="DIR", help="a folder that was pulled into")
        word.set_defaults(handler=handler)
    for word in (show_, restore_):
        word.add_argument("id", metavar="ID", help="from `launcher snapshot list`")
        word.add_argument("path", metavar="FILE", nargs="?", help="one file of it")
    restore_.add_argument(
        "--in-place", action="store_true", help="instead of the present files, which are kept too"
    )
    over.add_argument("path", metavar="FILE", help="as it is called in DIR")


def ask(action: str, args: argparse.Namespace, **words: Any) -> dict[str, Any]:
    """One action of the reconcile program, in this process.

    :raises ContentFailed: it could not be done; nothing was lost.
    """
    path = getattr(args, "path", None)
    if path is not None:  # bytes that are no text arrive in the form that JSON carries
        words["path"] = os.fsencode(path).decode("utf-8", "surrogateescape")
    answer = run([json.dumps({"action": action, "folder": args.folder, **words})])
    if "need" in answer:
        raise ContentFailed("The folder's git data is not all there.", hint="Pull again first.")
    if "error" in answer:
        raise ContentFailed(answer["error"], hint=answer["hint"])
    return answer


def snapshots(args: argparse.Namespace, context: Context) -> int:
    found = ask("snapshots", args)["snapshots"]
    lines = [
        f"{one['id']}  {time.strftime('%Y-%m-%d %H:%M', time.localtime(one['at']))}  "
        f"{one['reason']}: {one['files']} files, {one['size']} bytes: {', '.join(one['names'][:3])}"
        for one in found
    ]
    context.show(found, "\n".join(lines) or "No pull has changed anything here yet.")
    return 0


def show(args: argparse.Namespace, context: Context) -> int:
    found = ask("preview", args, id=args.id)["preview"]
    lines = [f"{one['state']:8} {one['size']:>9}  {one['name']}" for one in found["files"]]
    context.show(found, "\n".join([*lines, *found.get("diff", ())]))
    return 0


def restore(args: argparse.Namespace, context: Context) -> int:
    done = ask("restore", args, id=args.id, in_place=args.in_place)["restored"]
    lines = [
        f"{path} is in {new}" if path != new else f"{path} is back"
        for path, new in done["restored"]
    ]
    context.show(done, "\n".join([*lines, *done["notes"]]) or "Everything is as it was then.")
    return 0


def again(args: argparse.Namespace, context: Context) -> int:
    done = ask("start_over", args)["started_over"]
    lines = [f"your {path} is now {new}" for path, new in done["moved"]]
    context.show(done, "\n".join([*lines, *done["notes"]]) or f"{args.path} is back.")
    return 0
