"""The page that makes launch links, as it is sent; it works without its script, too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, render_template, request

from link_generator import api, hub_links, pickers
from link_generator.api import given_fields, hub_place
from link_generator.apps import APPS
from link_generator.badges import MARKUPS
from link_generator.choices import MOST, Choice, Choices
from link_generator.env_part import split_env
from link_generator.errors import BadLink
from link_generator.form import FORM, Filled
from link_generator.generator import Check, Generator, as_dict

STATES = {"ok": "✓", "warn": "!", "fail": "✗"}
ASIDE = ("as", "hub", "pin")
"""Fields beside the link's own."""
TABS = {
    "link": "Link",
    "badge": "Badge",
    "button": "Button",
    "qr": "QR",
    "lms": "LMS",
    "binder": "Binder",
    "hub": "Hub, Canvas",
    "book": "Jupyter Book",
}


def create_blueprint(
    *,
    public_url: str,
    catalogue: Mapping[str, Any],
    check: Check | None = None,
    choices: Choices | None = None,
    form_token: Callable[[], str] | None = None,
) -> Blueprint:
    """The generator; `catalogue` has the environments that links may call by name."""
    generator = Generator(public_url, catalogue, check, choices, form_token)
    views = Blueprint(
        "link_generator",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/link_generator",
    )

    @views.get("/")
    def page() -> tuple[str, int]:
        shown = fill_page(generator)
        text = render_template(
            "generator.html",
            **vars(shown),
            apps=APPS,
            catalogue=catalogue,
            checkable=check is not None,
            choosable=choices is not None,
            token=form_token() if form_token else "",
            states=STATES,
            markups=MARKUPS,
            tabs=TABS,
        )
        return text, 400 if shown.error else 200

    api.add_views(views, generator)
    hub_links.add_views(views, public_url, catalogue)
    if choices:
        pickers.add_views(views, choices)
    return views


@dataclass
class Shown:
    """What a request's page shows."""

    given: dict[str, str]
    """What is in the fields."""
    read: str = ""
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    checks: Sequence[Any] = ()
    offered: dict[str, Sequence[Choice]] = field(default_factory=dict)
    """What fields offer without a script, by their names."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why apps are missing in the environment."""


def fill_page(generator: Generator) -> Shown:
    """Everything that the request's fields lead to."""
    aside = {name: request.args.get(name, "") for name in ASIDE}
    shown = Shown({**given_fields(), **aside})
    if any(value for name, value in given_fields().items() if name in FORM and name != "app"):
        try:
            filled = generator.read(given_fields())
            shown.given |= filled.form
            shown.read = filled.read
            if generator.choices and "look" in request.args:
                look(generator.choices, filled, shown)
            shown.result = generator.everywhere(filled, hub_place())
            if generator.check and request.args.get("check"):
                shown.checks = generator.check(filled.draft.link())
        except BadLink as bad:
            shown.error = as_dict(bad)
    env, tag = split_env(shown.given["env"])  # as it was sent, where it could not be read
    shown.given |= {"env": env, "version": shown.given["version"] or tag}
    return shown


def look(choices: Choices, filled: Filled, shown: Shown) -> None:
    """What can be chosen, for a page without a script; somebody asked for it by a button."""
    env, repo = filled.form["env"], filled.form["repo"]
    if env:
        shown.offered["version"] = choices.versions(env).choices[:MOST]
        shown.missing = choices.apps(env, filled.form["version"])
    if repo:
        shown.offered["branch"] = choices.branches(repo).choices[:MOST]
        shown.offered["path"] = choices.files(repo, filled.form["branch"]).choices[:MOST]
