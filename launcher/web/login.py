"""`/login`: instructors and administrators sign in with their token; students never need to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from flask import Blueprint, Response, make_response, redirect, render_template, request

from launcher.people.audit import Audit
from launcher.people.people import People
from launcher.web.rate import RateLimit
from launcher.web.request import asker, csrf_token, student
from launcher.web.visitor import forget, remember, user


def create_blueprint(
    people: People, audit: Audit, trusted: Sequence[str], tries: RateLimit
) -> Blueprint:
    """The views; `tries` counts the wrong tokens of an address."""
    views = Blueprint("login", __name__)

    @views.get("/login")
    def show() -> str:
        student()  # the form's own secret belongs to a cookie
        return page(next_of(request.args.get("next", "")))

    @views.post("/login")
    def sign_in() -> Response:
        where = next_of(request.form.get("next", ""))
        found = people.with_token(request.form.get("token", ""))
        if found is None:  # a right one counts: behind an address there may be a whole school
            taken = tries.take(asker(trusted))
            if taken and not taken.allowed:
                said = f"Too many wrong tokens came from here. Try again in {taken.wait} s."
                response = make_response(page(where, said), 429)
                response.headers["Retry-After"] = str(taken.wait)
                return response
            said = "That is no token of anybody here. Copy all of it: it begins with launcher_."
            return make_response(page(where, said), 403)
        audit.note(found.name, "signed in")
        response = make_response(redirect(where, 303))
        remember(response, found)
        return response

    @views.post("/logout")
    def sign_out() -> Response:
        response = make_response(redirect("/login", 303))
        forget(response)
        return response

    return views


def page(where: str, wrong: str = "") -> str:
    return render_template("login.html", where=where, wrong=wrong, csrf=csrf_token(), user=user())


def next_of(text: str) -> str:
    """A page of ours to go on to; anything else is the list of links."""
    return text if re.fullmatch(r"/(?![/\\])[\w/.?=&%+:@~,-]{0,2000}", text) else "/links"
