"""The page that makes launch links, and the same as JSON. Checks nothing outside the link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request

from link_generator.addresses import read_web_address
from link_generator.link import (
    APPS,
    FIELDS,
    MORE,
    BadLink,
    Link,
    compose_link,
    further_contents,
    parse_link,
    split_env,
)

FORM = (*FIELDS, "repo2", "branch2", "repo3", "branch3")
"""The form's fields; a link may name more repositories than it has room for."""


def create_blueprint(*, public_url: str, catalogue: Mapping[str, Any]) -> Blueprint:
    """The generator; `catalogue` has the environments that links may call by name."""
    views = Blueprint(
        "link_generator",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/link_generator",
    )

    @views.get("/")
    def generator() -> tuple[str, int]:
        given = given_fields()
        result, error = None, None
        if any(value for name, value in given.items() if name != "app"):
            try:
                link, given, notes = link_of(given)
                result = {"url": compose_link(link, public_url), "warnings": notes}
            except BadLink as bad:
                error = asdict_of(bad)
        page = render_template(
            "generator.html",
            given=given,
            result=result,
            error=error,
            apps=APPS,
            catalogue=catalogue,
        )
        return page, 400 if error else 200

    @views.get("/api/link")
    def compose() -> tuple[Response, int]:
        try:
            link, fields, notes = link_of(given_fields())
        except BadLink as bad:
            return jsonify(error=asdict_of(bad)), 400
        url = compose_link(link, public_url)
        return jsonify(url=url, warnings=notes, fields=fields), 200

    @views.get("/api/link/parse")
    def parse() -> tuple[Response, int]:
        try:
            link, notes = parse_link(request.args.get("url", ""))
        except BadLink as bad:
            return jsonify(error=asdict_of(bad)), 400
        return jsonify(**asdict(link), notes=notes), 200

    return views


def given_fields() -> dict[str, str]:
    """The form's fields, and whatever further repositories the address names."""
    further = {key: value for key, value in request.args.items() if MORE.fullmatch(key)}
    return {**{field: request.args.get(field, "") for field in FORM}, **further}


def link_of(given: Mapping[str, str]) -> tuple[Link, dict[str, str], list[str]]:
    """The link of the form's fields, the fields as understood, and warnings.

    :raises BadLink: a field that cannot work.
    """
    fields = {name: value.strip() for name, value in given.items()}
    notes = []
    seen = read_web_address(fields["repo"])
    if seen:
        repo, branch, path = seen
        notes.append("Repository, branch and file were read from the web address.")
        fields |= {"repo": repo, "branch": fields["branch"] or branch}
        fields["path"] = fields["path"] or path
    env, tag = split_env(fields["env"])
    link = Link(
        env=env,
        tag=tag,
        repo=fields["repo"],
        branch=fields["branch"],
        only=fields["only"].strip("/"),
        path=fields["path"],
        app=fields["app"] or "lab",
        more=further_contents({**fields}),
    )
    if env and not tag and "/" in env:
        notes.append("No tag is named: the link follows the environment's default branch.")
    return link, fields, notes


def asdict_of(bad: BadLink) -> dict[str, str]:
    return {"field": bad.field, "message": bad.message, "hint": bad.hint}
