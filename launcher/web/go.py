"""`/go/<slug>`: a short link; `/badge/<slug>.svg`: its state as a picture."""

from __future__ import annotations

import time

from flask import Blueprint, Response, make_response, redirect, render_template

from launcher.links.short_links import ShortLinks, check_open

WORDS = {
    "open": ("open", "#176b3a"),
    "early": ("opens later", "#8a5a00"),
    "late": ("closed", "#555555"),
    "disabled": ("closed", "#555555"),
    "": ("unknown", "#b3261e"),
}
"""Of each state, and its colour."""


def create_blueprint(links: ShortLinks) -> Blueprint:
    views = Blueprint("go", __name__)

    @views.get("/go/<slug>")
    def go(slug: str) -> Response:
        link = links.get(slug)
        check_open(link, time.time())
        response = make_response(redirect(link.link, 302))
        response.headers["Cache-Control"] = "no-store"  # what it means may change
        return response

    @views.get("/badge/<slug>.svg")
    def badge(slug: str) -> Response:
        found = links.find(slug)
        word, colour = WORDS[found.state(time.time()) if found else ""]
        picture = render_template("badge.svg", word=word, colour=colour, width=7 * len(word) + 12)
        response = Response(picture, content_type="image/svg+xml")
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return views
