"""The page that makes launch links, and the same as JSON. Contacts nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlencode

import segno
from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as Answer

from link_generator.badges import MARKUPS, compose_badges
from link_generator.dialects import Composed, Place, parse_any
from link_generator.dialects.jupyterhub import unescape_env
from link_generator.form import FORM, Filled, fill, write, write_all
from link_generator.link import APPS, MORE, BadLink, Link, compose_link

STATES = {"ok": "✓", "warn": "!", "fail": "✗"}
ASIDE = ("app", "as", "hub")
"""Fields that alone ask for no link."""


Check = Callable[[Link], Sequence[Any]]
"""Looks at what a link names; rows with `name`, `state`, `sentence` and `hint`."""


def create_blueprint(
    *, public_url: str, catalogue: Mapping[str, Any], check: Check | None = None
) -> Blueprint:
    """The generator; `catalogue` has the environments that links may call by name."""
    views = Blueprint(
        "link_generator",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/link_generator",
    )

    def everywhere(filled: Filled) -> dict[str, Any]:
        """One answer with all that the page shows.

        :raises BadLink: there is no link of this launcher.
        """
        own = write(filled, "launcher", Place(), public_url)
        links = write_all(filled, Place(host=request.args.get("hub", "").strip()), public_url)
        return {
            "url": own.url,
            "fields": filled.fields,
            "read": filled.read,
            "warnings": filled.notes,
            "links": {name: shown(made) for name, made in links.items()},
            "qr": f"/api/link/qr.svg?{urlencode(filled.fields)}",
            "badges": compose_badges(own.url, f"{public_url.rstrip('/')}/static/badge.svg"),
        }

    @views.get("/")
    def generator() -> tuple[str, int]:
        given = {**given_fields(), **{name: request.args.get(name, "") for name in ASIDE}}
        result, error, read = None, None, ""
        checks: Sequence[Any] = ()
        if any(value for name, value in given.items() if name not in ASIDE):
            try:
                filled = fill(given_fields())
                given, read = {**given, **filled.fields}, filled.read
                result = everywhere(filled)
                if check and request.args.get("check"):
                    checks = check(filled.draft.link())
            except BadLink as bad:
                error = asdict_of(bad)
        page = render_template(
            "generator.html",
            given=given,
            read=read,
            result=result,
            error=error,
            apps=APPS,
            catalogue=catalogue,
            checkable=check is not None,
            checks=checks,
            states=STATES,
            markups=MARKUPS,
        )
        return page, 400 if error else 200

    @views.get("/api/link")
    def compose() -> tuple[Response, int]:
        try:
            filled = fill(given_fields())
            made = write(filled, request.args.get("dialect") or "launcher", place(), public_url)
        except BadLink as bad:
            return jsonify(error=asdict_of(bad)), 400
        notes = [*filled.notes, *made.notes]
        said = {"url": made.url, "config": made.config, "read": filled.read}
        return jsonify(**said, warnings=notes, fields=filled.fields), 200

    @views.get("/api/link/everywhere")
    def compose_everywhere() -> tuple[Response, int]:
        read: dict[str, Any] = {}
        try:
            filled = fill(given_fields(), pasted="pasted" in request.args)
            read = {"fields": filled.fields, "read": filled.read}
            return jsonify(everywhere(filled)), 200
        except BadLink as bad:
            return jsonify(**read, error=asdict_of(bad)), 400

    @views.get("/api/link/qr.svg")
    def qr() -> tuple[Response, int]:
        """The link as a picture that phones read."""
        try:
            url = compose_link(fill(given_fields()).draft.link(), public_url)
            picture = segno.make(url, micro=False).svg_inline(scale=4, border=4, light="#ffffff")
        except (BadLink, segno.DataOverflowError) as error:
            bad = error if isinstance(error, BadLink) else BadLink("link", "It is too long.")
            return jsonify(error=asdict_of(bad)), 400
        header = '<?xml version="1.0" encoding="utf-8"?>'
        text = picture.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        return Response(header + text, content_type="image/svg+xml"), 200

    @views.get("/api/link/parse")
    def parse() -> tuple[Response, int]:
        try:
            draft, notes = parse_any(request.args.get("url", ""))
        except BadLink as bad:
            return jsonify(error=asdict_of(bad)), 400
        return jsonify(**asdict(draft), notes=notes), 200

    @views.get("/with/<path:rest>")
    def with_environment(rest: str) -> Answer:
        """A JupyterHub's addresses below one environment, for Jupyter Book and its kind."""
        if "/hub/" not in rest:
            return redirect(f"/?{urlencode({'env': unescape_env(rest)})}")
        draft, _notes = parse_any(f"{public_url}/with/{quote(rest, safe='/@:')}?{raw_query()}")
        if draft.dialect != "jupyterbook":
            abort(404, "A link below /with/ ends in /hub/user-redirect/git-pull?repo=...")
        return redirect(compose_link(draft.link(), public_url))

    @views.get("/hub/user-redirect/<path:rest>")
    @views.get("/hub/lti/launch")
    def hub(rest: str = "") -> Answer:
        """A hub's link whose host was changed to ours; the only environment here is meant."""
        draft, _notes = parse_any(f"{public_url}{request.path}?{raw_query()}")
        if len(catalogue) != 1 or draft.dialect == "address":
            raise BadLink(
                "env",
                "A hub's link names no environment, and this server has not just one.",
                "Put it before /hub, as in /with/gh/org/env@v1/hub/user-redirect/git-pull?...",
            )
        return redirect(compose_link(draft.with_env(next(iter(catalogue))), public_url))

    return views


def raw_query() -> str:
    return request.query_string.decode("latin-1")


def given_fields() -> dict[str, str]:
    """The form's fields, and whatever further repositories the address names."""
    further = {key: value for key, value in request.args.items() if MORE.fullmatch(key)}
    return {**{field: request.args.get(field, "") for field in FORM}, **further}


def place() -> Place:
    """Where a link of another dialect leads.

    :raises BadLink: it leads nowhere.
    """
    names = ("host", "server")
    return Place(**{name: request.args.get(name, "").strip() for name in names})


def shown(made: Composed | BadLink) -> dict[str, Any]:
    if isinstance(made, BadLink):
        return {"error": asdict_of(made)}
    return {"url": made.url, "config": made.config, "warnings": made.notes}


def asdict_of(bad: BadLink) -> dict[str, str]:
    return {"field": bad.field, "message": bad.message, "hint": bad.hint}
