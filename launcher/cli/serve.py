"""`launcher serve`: serve until Ctrl-C or SIGTERM; sessions go on."""

from __future__ import annotations

import argparse
import atexit
import os
import signal
import sys
from typing import Any

from launcher import logs
from launcher import serve as serving
from launcher.cli import Context

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("serve")
    parser.add_argument("--listen", metavar="HOST:PORT", help="where the public port listens")
    parser.add_argument("--public-url", metavar="URL", help="the address that students type")
    parser.add_argument("--runtime", choices=("auto", "docker", "local"))
    parser.set_defaults(handler=serve)


def serve(args: argparse.Namespace, context: Context) -> int:
    public_url = args.public_url
    if args.listen and not public_url and not context.settings:
        public_url = f"http://{args.listen}"
    context.override(listen=args.listen, public_url=public_url, runtime=args.runtime)
    logs.set_up(context.config.log.format, context.config.log.level)
    end_by_signals()
    try:
        running = serving.start(context.config)
        try:
            context.show({"url": running.url}, f"Make a launch link at {running.url}/")
            sys.stdout.flush()
            running.wait()
        finally:
            running.stop()
    except SystemExit:  # by a signal
        leave()
    return 0


def leave() -> None:
    """End this process, with all that is to be done at its end but one thing.

    Python would wait for the threads of each pool, and one that fetches a course or looks at a
    folder may have minutes to go; systemd kills what takes 30 seconds. What such a thread has
    begun is removed as what a crash leaves is.
    """
    atexit._run_exitfuncs()  # among them: temporary folders, the log
    sys.stdout.flush()
    os._exit(0)


def end_by_signals() -> None:
    """The first one ends the launcher, from its start on; what ends is not disturbed by another."""

    def end(*_: object) -> None:
        for name in SIGNALS:
            signal.signal(name, lambda *_: None)  # SIG_IGN would hold for programs that it runs
        sys.exit(0)

    for name in SIGNALS:
        signal.signal(name, end)
