"""A student's work in a running session: update it from the teacher, look back, start over."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template
from flask import request as asked

from launcher.content.delivered import Delivered, all_delivered
from launcher.content.shipping import LOOK
from launcher.content.undo import Undo
from launcher.errors import ContentFailed, SessionGone
from launcher.launch import Launcher
from launcher.session import Session, SessionSpec
from launcher.sessions.sessions import Sessions
from launcher.web.concurrency import ConcurrencyLimit
from launcher.web.request import carried, carry, csrf_token, known_student, wants_json


def create_blueprint(
    launcher: Launcher, undo: Undo, looks: ConcurrencyLimit, changes: ConcurrencyLimit
) -> Blueprint:
    """The views; each is a page for a browser and JSON for a program.

    Changes in sessions that hang take nobody's look.
    """
    views = Blueprint("work", __name__)
    sessions = launcher.sessions

    @views.post("/sessions/<session_id>/update")
    @views.post("/api/sessions/<session_id>/update")
    @changes.one_each
    def update(session_id: str) -> Response:
        receipts = launcher.update(own(sessions, session_id))
        if as_json():
            return jsonify(receipts=[one.as_json() for one in receipts])
        return make_response(redirect(f"/sessions#{session_id}", 303))

    @views.get("/sessions/<session_id>/snapshots")
    @views.get("/api/sessions/<session_id>/snapshots")
    @looks.one_each
    def snapshots(session_id: str) -> Response:
        spec = sessions.spec(own(sessions, session_id))
        until = time.monotonic() + LOOK
        folders = [folder_json(spec, one, undo, until) for one in all_delivered(spec)]
        if as_json():
            return jsonify(folders=folders, csrf=csrf_token())
        done = carried(asked.args.get("done", ""))
        return page("snapshots.html", session_id, folders=folders, done=done)

    @views.get("/sessions/<session_id>/snapshots/<path:folder>/<snapshot>")
    @views.get("/api/sessions/<session_id>/snapshots/<path:folder>/<snapshot>")
    @looks.one_each
    def preview(session_id: str, folder: str, snapshot: str) -> Response:
        spec, folder = folder_of(sessions, session_id, folder)
        found = undo.preview(spec, folder, snapshot, asked.args.get("path"))
        if as_json():
            return jsonify(found)
        return page("snapshot.html", session_id, folder=folder, snapshot=found)

    @views.post("/sessions/<session_id>/snapshots/<path:folder>/<snapshot>/restore")
    @views.post("/api/sessions/<session_id>/snapshots/<path:folder>/<snapshot>/restore")
    @changes.one_each
    def restore(session_id: str, folder: str, snapshot: str) -> Response:
        spec, folder = folder_of(sessions, session_id, folder)
        in_place = asked.form.get("in_place") == "yes"
        path = asked.form.get("path") or None
        done = undo.restore(spec, folder, snapshot, path, in_place=in_place)
        said = [
            f"{old} is back" if old == new else f"{old} is in {new}"
            for old, new in done["restored"]
        ]
        return answer(session_id, done, [*said, *done["notes"]] or ["Everything is as it was then"])

    @views.post("/sessions/<session_id>/folders/<path:folder>/start-over")
    @views.post("/api/sessions/<session_id>/folders/<path:folder>/start-over")
    @changes.one_each
    def start_over(session_id: str, folder: str) -> Response:
        spec, folder = folder_of(sessions, session_id, folder)
        path = asked.form.get("path", "").strip().removeprefix(f"{folder}/")
        done = undo.start_over(spec, folder, path)
        said = [f"{path} is your teacher's version; yours is now {new}" for _, new in done["moved"]]
        return answer(session_id, done, [*said, *done["notes"]] or [f"{path} is back"])

    return views


def own(sessions: Sessions, session_id: str) -> Session:
    """The running session, if it belongs to who asks."""
    session = sessions.runtime.find(session_id)
    if session is None or session.owner != known_student():
        abort(404, "There is no such session of yours.")
    if not session.running:
        raise SessionGone("This session has stopped.", hint="Bring it back first.")
    return session


def folder_of(sessions: Sessions, session_id: str, folder: str) -> tuple[SessionSpec, str]:
    """One's own session with a folder of course files in it."""
    spec = sessions.spec(own(sessions, session_id))
    if folder not in [one.folder for one in all_delivered(spec)]:
        abort(404, "There are no course files in a folder of that name.")
    return spec, folder


def folder_json(spec: SessionSpec, one: Delivered, undo: Undo, until: float) -> dict[str, Any]:
    """A folder with its snapshots, or with why there are none: the student may have removed it."""
    found: dict[str, Any] = {"folder": one.folder, "repo": one.repo, "snapshots": [], "trouble": ""}
    try:
        left = until - time.monotonic()
        if left <= 0:
            raise ContentFailed("The session took too long with the folders before this one.")
        found["snapshots"] = undo.snapshots(spec, one.folder, within=left)
    except ContentFailed as error:
        found["trouble"] = f"{error.message} {error.hint}".strip()
    return found


def answer(session_id: str, done: dict[str, Any], said: list[str]) -> Response:
    """What was done, as JSON or on the page of snapshots."""
    if as_json():
        return jsonify(**done, said=said)
    return make_response(redirect(f"/sessions/{session_id}/snapshots?done={carry(said)}", 303))


def page(name: str, session_id: str, **values: Any) -> Response:
    return make_response(render_template(name, session_id=session_id, csrf=csrf_token(), **values))


def as_json() -> bool:
    return wants_json() or asked.path.startswith("/api/")
