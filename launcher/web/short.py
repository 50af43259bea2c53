"""`/links`: an instructor's short links, made, changed and closed after they were shared."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request

from launcher.errors import LaunchError
from launcher.links.preflight import Preflight
from launcher.links.short_links import BadShortLink, ShortLink, ShortLinks, check_time, field_time
from launcher.people.audit import Audit
from launcher.people.people import NotAllowed, User
from launcher.web.request import csrf_token
from launcher.web.visitor import need_user
from link_generator.badges import qr_picture
from link_generator.dialects import parse_any
from link_generator.errors import BadLink
from link_generator.link import Link

STATES = {
    "open": "Open",
    "early": "Opens later",
    "late": "Closed by its date",
    "disabled": "Closed",
}


@dataclass(frozen=True)
class Given:
    """What a form or a JSON body says of a short link."""

    slug: str
    url: str
    title: str = ""
    opens: str | None = ""
    """None where nothing is said of it: it stays as it was."""
    closes: str | None = ""

    @classmethod
    def of_request(cls, slug: str = "") -> Given:
        body: Any = request.get_json() if request.is_json else request.form
        if not hasattr(body, "get"):
            raise BadShortLink("The body holds no fields.", hint="Send {slug, url, ...}.")
        names = ("slug", "url", "title", "opens", "closes")
        found: dict[str, Any] = {name: str(body.get(name) or "").strip()[:8000] for name in names}
        unsaid = {name: None for name in ("opens", "closes") if name not in body}
        return cls(**found | unsaid | ({"slug": slug} if slug else {}))

    @classmethod
    def of_link(cls, link: ShortLink, public_url: str) -> Given:
        times = field_time(link.opens), field_time(link.closes)
        return cls(link.slug, public_url + link.link, link.title, *times)

    def save(self, links: ShortLinks, user: User, *, new: bool) -> ShortLink:
        """:raises LaunchError, BadLink: a field is wrong."""
        return links.save(
            self.slug,
            self.link(),
            title=self.title[:200],
            opens=None if self.opens is None else check_time(self.opens, "opens"),
            closes=None if self.closes is None else check_time(self.closes, "closes"),
            who=user.name,
            new=new,
        )

    def link(self) -> Link:
        """:raises BadLink: it is none; with the form's field, whichever part is wrong."""
        if not self.url:
            raise BadLink("url", "Which link it means is missing.", "Paste a link of any kind.")
        try:
            return parse_any(self.url)[0].link()
        except BadLink as error:
            raise BadLink("url", error.message, error.hint) from error


def create_blueprint(
    links: ShortLinks, audit: Audit, preflight: Preflight, public_url: str
) -> Blueprint:
    views = Blueprint("short", __name__)

    @views.get("/links")
    @views.get("/api/links")
    def every() -> Response:
        user = need_user()
        found = [one for one in links.all() if user.is_admin or one.owner == user.name]
        rows = [row_of(one, public_url) for one in found]
        if request.path.startswith("/api/"):
            return jsonify(links=rows)
        return page("links.html", links=rows, states=STATES, user=user)

    @views.get("/links/new")
    def new() -> Response:
        need_user()
        return form(Given("", request.args.get("url", "")[:8000]))

    @views.post("/links")
    @views.post("/api/links")
    def make() -> Response:
        user = need_user()
        given = Given.of_request()
        try:
            made = given.save(links, user, new=True)
        except (LaunchError, BadLink) as error:
            if request.path.startswith("/api/"):
                raise
            return form(given, error=error)
        audit.note(user.name, "link made", made.slug, made.link)
        return done(made, 201, public_url)

    @views.get("/links/<slug>")
    def show(slug: str) -> Response:
        link, _ = own(links, slug)
        checks = preflight.check(link.meaning) if request.args.get("check") else None
        return form(Given.of_link(link, public_url), row_of(link, public_url), checks=checks)

    @views.get("/links/<slug>/qr.svg")
    def qr(slug: str) -> Response:
        picture = qr_picture(f"{public_url}/go/{own(links, slug)[0].slug}")
        return Response(picture, content_type="image/svg+xml")

    @views.post("/links/<slug>")
    @views.put("/api/links/<slug>")
    def change(slug: str) -> Response:
        link, user = own(links, slug)
        given = Given.of_request(link.slug)
        try:
            made = given.save(links, user, new=False)
        except (LaunchError, BadLink) as error:
            if request.path.startswith("/api/"):
                raise
            return form(given, row_of(link, public_url), error=error)
        audit.note(user.name, "link changed", made.slug, f"{link.link} -> {made.link}")
        return done(made, 200, public_url)

    @views.post("/links/<slug>/<any(close, open):what>")
    @views.post("/api/links/<slug>/<any(close, open):what>")
    def switch(slug: str, what: str) -> Response:
        link, user = own(links, slug)
        made = links.enable(link.slug, enabled=what == "open", who=user.name)
        audit.note(user.name, "link opened" if what == "open" else "link closed", made.slug)
        return done(made, 200, public_url)

    return views


def own(links: ShortLinks, slug: str) -> tuple[ShortLink, User]:
    """The link and who asks.

    :raises NotAllowed: it is somebody else's, and this is no administrator.
    """
    user, link = need_user(), links.get(slug)
    if link.owner != user.name and not user.is_admin:
        raise NotAllowed(
            f"{link.slug} is a link of {link.owner or 'the administrators'}.",
            hint="They or an administrator can change it.",
        )
    return link, user


def done(link: ShortLink, status: int, public_url: str) -> Response:
    if request.path.startswith("/api/"):
        return make_response(jsonify(row_of(link, public_url)), status)
    return make_response(redirect(f"/links/{link.slug}", 303))


def form(
    given: Given,
    row: dict[str, Any] | None = None,
    *,
    error: Exception | None = None,
    checks: object = None,
) -> Response:
    """The page of one link; without a row it is a new one."""
    shown = page("link.html", given=given, link=row, error=error, checks=checks, states=STATES)
    shown.status_code = 400 if error else 200
    return shown


def page(name: str, **known: Any) -> Response:
    return make_response(render_template(name, csrf=csrf_token(), **known))


def row_of(link: ShortLink, public_url: str) -> dict[str, Any]:
    """The link as lists and programs get it."""
    known = asdict(link) | {"history": [asdict(one) for one in reversed(link.history)]}
    return known | {"url": f"{public_url}/go/{link.slug}", "state": link.state(time.time())}
