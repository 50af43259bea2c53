"""`/api/check`: would this link work, before anybody clicks it."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify, request

from launcher.preflight import FAIL, Preflight
from link_generator.link import parse_link
from link_generator.page import given_fields, link_of


def create_blueprint(preflight: Preflight) -> Blueprint:
    """`?url=` with a whole link, or the link's own fields."""
    views = Blueprint("check", __name__)

    @views.get("/api/check")
    def check() -> Response:
        url = request.args.get("url", "")
        link = parse_link(url)[0] if url else link_of(given_fields())[0]
        checks = preflight.check(link)
        usable = all(one.state != FAIL for one in checks)
        return jsonify(usable=usable, checks=[asdict(one) for one in checks])

    return views
