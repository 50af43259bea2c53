"""`/api/check`: would this link work, before anybody clicks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request

from launcher.links.preflight import FAIL, Check
from link_generator.api import given_fields
from link_generator.dialects import parse_any
from link_generator.form import fill
from link_generator.link import Link


def create_blueprint(looked_at: Callable[[Link], Sequence[Check]]) -> Blueprint:
    """`?url=` with a whole link of any dialect, or the link's own fields."""
    views = Blueprint("check", __name__)

    @views.get("/api/check")
    def check() -> Response:
        url = request.args.get("url", "")
        draft = parse_any(url)[0] if url else fill(given_fields()).draft
        checks = looked_at(draft.link())
        usable = all(one.state != FAIL for one in checks)
        return jsonify(usable=usable, checks=[asdict(one) for one in checks])

    return views
