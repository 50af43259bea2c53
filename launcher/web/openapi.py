"""`/api/openapi.json`: what programs may ask, made from the views and the words below."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify
from werkzeug.routing import Rule

LINK = ("env", "tag", "repo", "branch", "only", "path", "app", "dir", "urlpath")
SAID: dict[str, tuple[str, tuple[str, ...]]] = {
    "/launch": ("Click a link; JSON where that is accepted. A redirect, or the launch.", LINK),
    "/api/launches/{launch_id}": ("How a launch of yours goes on, after a cursor.", ("since",)),
    "/api/link": ("The link that these parts make, in one dialect.", (*LINK, "dialect", "hub")),
    "/api/link/everywhere": ("The same link in every dialect.", (*LINK, "hub")),
    "/api/link/parse": ("The parts of a link of any dialect.", ("url",)),
    "/api/link/qr.svg": ("The link as a QR code.", LINK),
    "/api/check": ("Whether a link would work.", ("url", *LINK)),
    "/api/choices/apps": ("Programs that the environment has.", (*LINK, "q")),
    "/api/choices/branches": ("Branches and tags of the content.", (*LINK, "q")),
    "/api/choices/environments": ("Environments of the catalogue.", ("q",)),
    "/api/choices/files": ("Files of the content.", (*LINK, "q")),
    "/api/choices/versions": ("Tags of the environment.", (*LINK, "q")),
    "/api/env/{name}/{tag}": ("A build, with its log after a cursor.", ("since",)),
    "/api/hooks/environments": ("A push, as git hosts tell it; signed.", ()),
    "/api/links": ("Short links: yours, or a new one.", ()),
    "/api/links/{slug}": ("Change a short link.", ()),
    "/api/links/{slug}/{what}": ("Close or open a short link.", ()),
    "/api/audit": ("Who did what; for administrators.", ()),
    "/api/rehearsals/{run_id}": ("How a link's rehearsal goes.", ()),
    "/api/repoproviders": ("Kinds of repositories, in BinderHub's words.", ()),
    "/api/sessions": ("Your sessions, and the token that changes need.", ()),
    "/api/sessions/{session_id}/update": ("Pull the newest content.", ()),
    "/api/sessions/{session_id}/snapshots": ("What pulls have kept.", ()),
    "/api/sessions/{session_id}/snapshots/{folder}/{snapshot}": ("A snapshot's files.", ()),
    "/api/sessions/{session_id}/snapshots/{folder}/{snapshot}/restore": ("Put files back.", ()),
    "/api/sessions/{session_id}/folders/{folder}/start-over": ("One file, as the teacher's.", ()),
    "/api/classes": ("Classes that are planned, or a new one.", ()),
    "/api/classes/forecast": ("Whether a class would fit.", ()),
    "/api/work/delete": ("Remove your files of a course, or everything of yours.", ()),
    "/build/{asked}": ("Start a session as BinderHub does; a stream of events.", ()),
    "/health": ("Whether sessions can start, in BinderHub's words.", ()),
    "/healthz": ("The app answers.", ()),
    "/readyz": ("Sessions could start now.", ()),
    "/metrics": ("Numbers for Prometheus.", ()),
    "/versions": ("Which launcher this is.", ()),
}
"""What a path is for, and what its query may hold; others go by the name of their view."""
OF_PROGRAMS = re.compile(r"/api/|/(launch|build/.*|health|healthz|readyz|metrics|versions)$")
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}


def create_blueprint() -> Blueprint:
    """The one view."""
    views = Blueprint("openapi", __name__)

    @views.get("/api/openapi.json")
    def openapi() -> Response:
        return jsonify(description(current_app))

    return views


def description(app: Flask) -> dict[str, Any]:
    """All that programs may ask of the app, as OpenAPI 3.0 has it."""
    paths: dict[str, Any] = {}
    for path, rule in rules(app):
        summary, query = SAID.get(path, (rule.endpoint.replace(".", ": ").replace("_", " "), ()))
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = {
                "summary": summary,
                "parameters": [
                    *({**text(name, "path"), "required": True} for name in names(path)),
                    *(text(name, "query") for name in query),
                ],
                "responses": {
                    "200": {"description": "The answer."},
                    "default": {
                        "description": "What went wrong, with a code.",
                        "content": {"application/json": {"schema": ERROR}},
                    },
                },
            }
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Launcher",
            "version": "1",
            "description": "A browser's cookies say who asks. What changes something also needs "
            "`X-CSRF-Token`, which `/api/sessions` tells, or a user's token: "
            "`Authorization: Bearer TOKEN`.",
        },
        "paths": paths,
    }


def rules(app: Flask) -> Iterator[tuple[str, Rule]]:
    """The rules for programs, by their path as OpenAPI writes it."""
    for rule in sorted(app.url_map.iter_rules(), key=str):
        path = re.sub(r"<(?:[^:<>]*:)?(\w+)>", r"{\1}", rule.rule)
        if OF_PROGRAMS.match(path) and path != "/api/openapi.json":
            yield path, rule


def names(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)


def text(name: str, where: str) -> dict[str, Any]:
    return {"name": name, "in": where, "schema": {"type": "string"}}
