"""`/audit`: who did what, for administrators."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, make_response, render_template, request

from launcher.people.audit import Audit
from launcher.web.visitor import need_user


def create_blueprint(audit: Audit) -> Blueprint:
    views = Blueprint("audit", __name__)

    @views.get("/audit")
    @views.get("/api/audit")
    def show() -> Response:
        need_user(admin=True)
        deeds = audit.last()
        if request.path.startswith("/api/"):
            return jsonify(audit=[asdict(one) for one in deeds])
        return make_response(render_template("audit.html", deeds=deeds))

    return views
