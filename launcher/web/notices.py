"""What students are told about a running session, and the page of what takes room in its folder."""

from __future__ import annotations

from flask import Blueprint, Response, abort, jsonify, make_response, render_template
from flask import request as asked

from launcher.homes import disk
from launcher.sessions.history import History, Remembered
from launcher.sessions.notices import Notice, Notices
from launcher.sessions.sessions import Sessions
from launcher.web.concurrency import ConcurrencyLimit
from launcher.web.request import csrf_token, is_let_into, known_student, wants_json


def create_blueprint(
    sessions: Sessions, history: History, notices: Notices, limit: ConcurrencyLimit
) -> Blueprint:
    """The views; all are for the session's owner alone, or who has its token."""
    views = Blueprint("notices", __name__)

    def own(session_id: str) -> Remembered:
        known = history.find(session_id)
        if known is None or known.owner != known_student():
            abort(404, "There is no such session of yours.")
        return known

    @views.get("/api/sessions/<session_id>/notices")
    def told(session_id: str) -> Response:
        """Asked every few seconds by the script in the session's pages; it asks no engine."""
        return answer(own(session_id))

    @views.get("/s/<session_id>/_launcher/notices")
    def told_inside(session_id: str) -> Response:
        """The same, asked for at the sessions' own host name."""
        known = history.find(session_id) if is_let_into(session_id) else None
        return answer(known or abort(404, "There is no such session of yours."))

    def answer(known: Remembered) -> Response:
        found = [] if known.ended else [as_json(one) for one in notices.of(known.id)]
        return jsonify(notices=found, running=not known.ended, why=known.why)

    @views.get("/sessions/<session_id>/disk")
    @views.get("/api/sessions/<session_id>/disk")
    @limit.one_each
    def room(session_id: str) -> Response:
        """How full the folder is, and its largest files; it need not run for that."""
        known = own(session_id)
        home = sessions.homes.path(known.owner, known.course)
        if not sessions.runtime.attaches_folders:
            abort(
                404, "Folders are kept on another machine; look in a terminal: du -ah ~ | sort -h"
            )
        used, limit = disk.used(home, within=disk.PATIENCE), sessions.limits.disk
        files = disk.largest(home)
        if wants_json() or asked.path.startswith("/api/"):
            rows = [{"path": one.path, "size": one.size} for one in files]
            return jsonify(used=used, limit=limit, files=rows)
        full = bool(limit and used and used >= limit)
        values = {"known": known, "used": used, "limit": limit, "files": files, "full": full}
        return make_response(render_template("disk.html", csrf=csrf_token(), **values))

    return views


def as_json(notice: Notice) -> dict[str, object]:
    return {
        "id": f"{notice.kind}-{notice.mark or int(notice.at)}",
        "kind": notice.kind,
        "text": notice.text,
        "keep": notice.keep,
        "href": notice.href,
        "label": notice.label,
    }
