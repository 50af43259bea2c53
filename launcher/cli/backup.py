"""`launcher backup FILE`: all that cannot be made again, in one file, while the launcher serves."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envs.sizes import human
from launcher.backup.backup import write_backup
from launcher.backup.errors import BackupFailed
from launcher.backup.manifest import Manifest
from launcher.cli import Context
from launcher.people.audit import Audit, at_the_terminal

WARNING = "It holds the server's secret and everybody's work: keep it as carefully as the server."
MISSING = (
    "Not in it: the settings file, files that it names (credentials, certificates), images, and "
    "folders that are volumes of an engine (docker.homes: volume)."
)


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("backup")
    parser.add_argument("file", metavar="FILE", help="a new file; with .gz at its end, compressed")
    parser.set_defaults(handler=backup)


def backup(args: argparse.Namespace, context: Context) -> int:
    folder = Path(args.file).parent
    if not folder.is_dir():
        raise BackupFailed(f"There is no folder {folder}.", hint="Make it, or name another file.")
    with ended_by_a_signal():
        made = write_backup(context.config.data, Path(args.file))
    Audit(context.database).note(at_the_terminal(), "backup made", args.file)
    for note in made.notes:
        print(f"launcher: {note}", file=sys.stderr)
    print(f"launcher: {WARNING}\nlauncher: {MISSING}", file=sys.stderr)
    context.show(told(made, args.file), f"{args.file}: {summary(made)}, read back and whole")
    return 0


@contextlib.contextmanager
def ended_by_a_signal() -> Iterator[None]:
    """Who is told to end removes what is half done first."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def told(manifest: Manifest, file: str) -> dict[str, Any]:
    files = sum(one.kind == "file" for one in manifest.entries.values())
    return {
        "file": file,
        "made": manifest.made,
        "files": files,
        "bytes": manifest.size,
        "students": students(manifest),
        "notes": manifest.notes,
    }


def summary(manifest: Manifest) -> str:
    files = sum(one.kind == "file" for one in manifest.entries.values())
    return f"{files} files, {human(manifest.size)}, folders of {students(manifest)} students"


def students(manifest: Manifest) -> int:
    folders = [path.split("/") for path, one in manifest.entries.items() if one.kind == "folder"]
    return len({parts[1] for parts in folders if parts[0] == "homes" and len(parts) == 3})
