"""`/rehearsals`: the generator's button that lets a throw-away student try a link."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
)

from launcher.rehearsal.rehearsing import Rehearsing, Run
from launcher.web.rate import RateLimit
from launcher.web.request import asker, wants_json
from link_generator.dialects import parse_any
from link_generator.link import compose_link


def create_blueprint(
    rehearsing: Rehearsing, limit: RateLimit, trusted_proxies: tuple[str, ...]
) -> Blueprint:
    """The views of rehearsals; whoever has the id of one may look at it."""
    views = Blueprint("rehearsals", __name__)

    @views.post("/rehearsals")
    def begin() -> Response:
        link = parse_any(request.form.get("link", ""))[0].link()
        limit.check(asker(trusted_proxies), "Your network address has rehearsed often.")
        run = rehearsing.ensure(link)
        if wants_json():
            return jsonify(run_json(run))
        return make_response(redirect(f"/rehearsals/{run.id}", 303))

    @views.get("/rehearsals/<run_id>")
    @views.get("/api/rehearsals/<run_id>")
    def look(run_id: str) -> Response:
        run = rehearsing.find(run_id)
        if run is None:
            abort(404, "This rehearsal is not known any more. Rehearse the link again.")
        if wants_json() or request.path.startswith("/api/"):
            return jsonify(run_json(run))
        return make_response(render_template("rehearsal.html", run=run_json(run)))

    return views


def run_json(run: Run) -> dict[str, Any]:
    return {
        "id": run.id,
        "state": run.state,
        "steps": list(run.steps),
        "link": compose_link(run.link, ""),
        "result": asdict(run.result) if run.result else None,
        "sentence": sentence(run),
    }


def sentence(run: Run) -> str:
    """How it is, or how it went, in one sentence."""
    if run.state == "waiting":
        return "Waiting: two rehearsals run already."
    if run.result is None:
        return run.steps[-1] if run.steps else "Opening the link as a throw-away student."
    if not run.result.ok:
        return run.result.error
    cells = run.result.cells
    return f"It opens, and {cells} cell{'' if cells == 1 else 's'} ran to the end."
