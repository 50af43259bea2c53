"""`/classes/<course>`: who of a class is in, waits or failed, while it runs. It changes nothing."""

from __future__ import annotations

import csv
import io
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, render_template

from launcher.board import Board, Row
from launcher.room.pace import about
from launcher.web.visitor import follow_key, need_follower, need_user

COURSE = re.compile(r"[a-z0-9-]{1,41}-[0-9a-f]{8}")
"""What `course_name` makes."""
WORDS = {
    "failed": "Failed",
    "waiting": "In line",
    "opening": "Opening",
    "in": "In",
    "stopped": "Stopped",
}
DOTS = {"failed": "failed", "waiting": "", "opening": "active", "in": "ok", "stopped": ""}
COUNTED = ("in", "opening", "waiting", "failed", "stopped")
NOW = 20.0
"""Seconds; whoever used a session since then uses it."""
COLUMNS = ("code", "state", "said", "since", "app", "environment", "commit", "used", "memory")


def create_blueprint(board: Board) -> Blueprint:
    views = Blueprint("board", __name__)

    @views.get("/classes/<course>")
    def show(course: str) -> Response:
        user = need_user()
        rows = board.rows(known(course))
        page = render_template(
            "board.html",
            course=course,
            key=follow_key(user, course),
            **shown(rows),
        )
        return make_response(page)

    @views.get("/classes/<course>/now")
    def now(course: str) -> Response:
        """The part of the page that changes, for its script."""
        need_follower(known(course))
        return make_response(render_template("board_now.html", **shown(board.rows(course))))

    @views.get("/classes/<course>/csv")
    def table(course: str) -> Response:
        need_user()
        name = f'attachment; filename="{known(course)}.csv"'
        text = as_csv(board.rows(course))
        return Response(text, content_type="text/csv", headers={"Content-Disposition": name})

    @views.get("/api/classes/<course>")
    def rows(course: str) -> Response:
        need_user()
        return jsonify(students=[asdict(row) for row in board.rows(known(course))])

    return views


def known(course: str) -> str:
    if not COURSE.fullmatch(course):
        abort(404, "There is no such course.")
    return course


def shown(rows: Sequence[Row]) -> dict[str, Any]:
    """What the page says of the rows."""
    count, now = Counter(row.state for row in rows), time.time()
    return {
        "rows": [
            asdict(row)
            | {
                "word": WORDS[row.state],
                "dot": DOTS[row.state],
                "since": about(max(0.0, now - row.since)),
                "used": used(now - row.used) if row.used else "",
            }
            for row in rows
        ],
        "counts": [f"{WORDS[state]} {count[state]}" for state in COUNTED if count[state]],
        "memory": sum(row.memory for row in rows),
    }


def used(seconds: float) -> str:
    """How long ago, for people."""
    return "now" if seconds < NOW else f"{about(seconds)} ago"


def as_csv(rows: Sequence[Row]) -> str:
    """Times in ISO form, memory in bytes."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        values = asdict(row) | {"since": iso(row.since), "used": iso(row.used)}
        writer.writerow([values[name] for name in COLUMNS])
    return text.getvalue()


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else ""
