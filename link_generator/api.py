"""`/api/link...`: links made and read as JSON, for the page's script and for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import segno
from flask import Blueprint, Response, jsonify, request

from link_generator.badges import qr_picture
from link_generator.dialects import Place, parse_any
from link_generator.errors import BadLink
from link_generator.form import FORM, write
from link_generator.generator import Generator, as_dict
from link_generator.link import MORE, compose_link


def add_views(views: Blueprint, generator: Generator) -> None:
    """What cannot work is a 400 with the field, a message and a hint."""

    @views.get("/api/link")
    def compose() -> tuple[Response, int]:
        try:
            filled = generator.read(given_fields())
            dialect = request.args.get("dialect") or "launcher"
            made = write(filled, dialect, place(), generator.public_url)
        except BadLink as bad:
            return jsonify(error=as_dict(bad)), 400
        notes = [*filled.notes, *made.notes]
        said = {"url": made.url, "config": made.config, "read": filled.read}
        return jsonify(**said, warnings=notes, fields=filled.fields), 200

    @views.get("/api/link/everywhere")
    def compose_everywhere() -> tuple[Response, int]:
        read: dict[str, Any] = {}
        try:
            filled = generator.read(given_fields(), pasted="pasted" in request.args)
            read = {"fields": filled.fields, "form": filled.form, "read": filled.read}
            return jsonify(generator.everywhere(filled, hub_place())), 200
        except BadLink as bad:
            return jsonify(**read, error=as_dict(bad)), 400

    @views.get("/api/link/qr.svg")
    def qr() -> tuple[Response, int]:
        """The link as a picture that phones read."""
        try:
            url = compose_link(generator.read(given_fields()).draft.link(), generator.public_url)
            picture = qr_picture(url)
        except (BadLink, segno.DataOverflowError) as error:
            bad = error if isinstance(error, BadLink) else BadLink("link", "It is too long.")
            return jsonify(error=as_dict(bad)), 400
        return Response(picture, content_type="image/svg+xml"), 200

    @views.get("/api/link/parse")
    def parse() -> tuple[Response, int]:
        try:
            draft, notes = parse_any(request.args.get("url", ""))
        except BadLink as bad:
            return jsonify(error=as_dict(bad)), 400
        return jsonify(**asdict(draft), notes=notes), 200


def given_fields() -> dict[str, str]:
    """The form's fields, and whatever further repositories the address names."""
    further = {key: value for key, value in request.args.items() if MORE.fullmatch(key)}
    return {**{field: request.args.get(field, "") for field in (*FORM, "pin")}, **further}


def place() -> Place:
    """Where a link of another dialect leads.

    :raises BadLink: it leads nowhere.
    """
    names = ("host", "server")
    return Place(**{name: request.args.get(name, "").strip() for name in names})


def hub_place() -> Place:
    """Where the page's links for hubs lead.

    :raises BadLink: it leads nowhere.
    """
    return Place(host=request.args.get("hub", "").strip())
