"""A student's own sessions, and the page that a stopped session's address shows."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import (
    Blueprint,
    Response,
    abort,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
)

from launcher.cleanup.kept_work import KeptWork
from launcher.content.delivered import all_delivered
from launcher.errors import LaunchError
from launcher.session import Session, session_json
from launcher.sessions.history import BY_STUDENT, History
from launcher.sessions.sessions import Sessions
from launcher.web.kept_work import kept_json
from launcher.web.request import board_code, csrf_token, known_student, student, wants_json


def create_blueprint(sessions: Sessions, history: History, work: KeptWork) -> Blueprint:
    """The views of sessions."""
    views = Blueprint("sessions", __name__)

    @views.get("/sessions")
    @views.get("/api/sessions")
    def mine() -> Response:
        own = [with_folders(session, sessions) for session in sessions.of(student())]
        kept = kept_json(work, student())
        if wants_json() or request.path.startswith("/api/"):
            return jsonify(sessions=own, kept=kept, csrf=csrf_token())
        return make_response(
            render_template(
                "sessions.html", sessions=own, kept=kept, csrf=csrf_token(), code=board_code()
            )
        )

    @views.post("/sessions/<session_id>/stop")
    def stop(session_id: str) -> Response:
        session = sessions.runtime.find(session_id)
        if session is None or session.owner != known_student():
            abort(404, "There is no such session of yours.")
        sessions.stop(session_id, why=BY_STUDENT)
        return make_response(redirect("/sessions", 303))

    @views.route("/sessions/<session_id>/gone")
    @views.route("/s/<session_id>/")
    @views.route("/s/<session_id>/<path:rest>")
    def gone(session_id: str, rest: str = "") -> Response:
        """The gateway has no running session of this id, or one that does not answer."""
        known = history.find(session_id)
        if known is None or known.owner != known_student():
            abort(404, "There is no such session of yours.")
        if sessions.gateway.may_have(session_id) and may_run(sessions, session_id):
            return silent(known.course, known.link)
        why = known.why or "its server ended"
        return told(
            "gone.html",
            "E-GONE",
            f"The session ended because {why}.",
            course=known.course,
            back=known.link,
            room=f"/sessions/{session_id}/disk" if "folder" in known.why else "",
        )

    return views


def may_run(sessions: Sessions, session_id: str) -> bool:
    """True for one that runs, and where the runtime cannot say."""
    try:
        found = sessions.runtime.find(session_id)
    except LaunchError:
        return True
    return found is not None and found.running


def silent(course: str, link: str) -> Response:
    """A session that should answer and does not."""
    again = quote(request.path) if request.path.startswith("/s/") else link
    happened = "It runs, but gives no answer: it may be very busy, or need more memory than it has."
    return told("silent.html", "E-SILENT", happened, course=course, again=again)


def told(template: str, code: str, happened: str, **words: str) -> Response:
    """A page with its code and id, or the same for programs."""
    error = {"code": code, "message": happened, "request_id": g.get("request_id", "")}
    if wants_json():
        response = jsonify(error=error)
    else:
        said = {**error, "happened": happened}
        page = render_template(template, error=said, code=board_code(), **words)
        response = make_response(page)
    response.status_code = 503
    return response


def with_folders(session: Session, sessions: Sessions) -> dict[str, Any]:
    """The session with its folders: from where, how new, and what the last pulls did."""
    folders = [
        {
            "folder": one.folder,
            "repo": one.repo,
            "branch": one.branch,
            "commit": one.newest,
            "at": one.at,
            "said": one.said,
            "receipts": list(one.receipts),
        }
        for one in all_delivered(sessions.spec(session))
    ]
    return {**session_json(session), "folders": folders}
