"""`launcher session list|stop`: the sessions that run, straight from the runtime."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from launcher.cli import Context
from launcher.errors import SessionGone
from launcher.gateway.process import find_gateway
from launcher.people.audit import Audit, at_the_terminal
from launcher.people.identity import code_of
from launcher.session import Session, session_json

AT_ONCE = 16
"""Sessions that end at a time."""


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("session", help="list and stop sessions")
    words = parser.add_subparsers(metavar="ACTION", required=True)
    words.add_parser("list", help="every session, running or ended").set_defaults(handler=list_)
    stop_ = words.add_parser("stop", help="stop a session; the student's files stay")
    stop_.add_argument("id", metavar="ID", help="its id, or the beginning of it; `all` for all")
    stop_.set_defaults(handler=stop)


def list_(_args: argparse.Namespace, context: Context) -> int:
    sessions = context.parts.runtime.list()
    codes = {session.id: code_of(context.parts.secret, session.owner) for session in sessions}
    lines = [
        f"{session.id}  {codes[session.id]}  "
        f"{'running' if session.running else session.ended or 'ended':10}  "
        f"{(time.time() - session.started) / 60:5.0f} min  {session.course}  {session.image}"
        for session in sessions
    ]
    rows = [{**session_json(session), "code": codes[session.id]} for session in sessions]
    context.show(rows, "\n".join(lines) or "No session.")
    return 0


def stop(args: argparse.Namespace, context: Context) -> int:
    parts = context.parts
    found = [s for s in parts.runtime.list() if args.id == "all" or s.id.startswith(args.id)]
    if not found and args.id != "all":
        raise SessionGone(f"There is no session {args.id!r}.", hint="See `launcher session list`.")
    if len(found) > 1 and args.id != "all":
        raise SessionGone(f"{len(found)} sessions begin with {args.id!r}.", hint="Give more of it.")
    gateway = find_gateway(parts.config, parts.secret)

    def end(session: Session) -> Session:
        if gateway:
            gateway.remove_route(session.id)
        parts.runtime.stop(session.id)
        return session

    # A server takes seconds to end, and needs nothing meanwhile.
    pool = ThreadPoolExecutor(AT_ONCE)
    for session in pool.map(end, found):
        parts.history.ended(session.id, "the administrator stopped it")
        Audit(parts.database).note(at_the_terminal(), "session stopped", session.id)
    context.show(
        {"stopped": [session.id for session in found]},
        "\n".join(f"stopped {session.id}" for session in found) or "No session.",
    )
    return 0
