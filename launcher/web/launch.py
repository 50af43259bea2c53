"""The click: `/launch` shows real steps until the notebook opens; `/api/launches` is the same
for programs. The link itself is the waiting page's address, so a refresh, a second tab or a
restart of the server just clicks it again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from flask import (
    Blueprint,
    Response,
    abort,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
)

from envs.errors import BuildFailed
from launcher.errors import FolderOfAnother, PathNotFound
from launcher.launches import Launch, Launches
from launcher.progress import Phase
from launcher.web.clicks import ClickLimits
from launcher.web.errors import answer, explain
from launcher.web.launch_json import launch_answer, launch_json, title_of
from launcher.web.request import csrf_token, known_student, student, wants_json
from link_generator.link import compose_link, parse_link

STRAIGHT_IN = 1.0
"""Seconds that a click waits, so that a session that is nearly ready needs no waiting page."""
SOON = 3.0
"""Seconds that it waits in all where a session is ready: a waiting page would come no sooner than
the notebook, and take the time from others who click."""
PATIENT = 48
"""Clicks that wait so at once: each holds a thread of the server. A class whose sessions are ready
goes straight in; in a larger storm the others get their waiting page at once, and every other page
stays quick."""


def create_blueprint(
    launches: Launches,
    build_page: Callable[[str], str],
    limits: ClickLimits | None = None,
    ready: Callable[[str], bool] = lambda image: False,
) -> Blueprint:
    """The views of a launch.

    `build_page` knows the address of an image's build, or empty; `ready` whether a session on an
    image waits for a student.
    """
    views = Blueprint("launch", __name__)
    patient = threading.Semaphore(PATIENT)

    @views.get("/launch")
    def click() -> Response:
        refuse_embedding()
        link, _notes = parse_link(request.full_path)
        if request.method == "HEAD":  # whoever only looks at an address starts nothing
            return make_response("")
        if limits:
            limits.check(student(), link)
        launch = launches.ensure(link, student(), g.request_id, retry=wants_json())
        if patient.acquire(blocking=False):
            try:
                if not launch.wait(STRAIGHT_IN) and is_soon(launch, ready):
                    launch.wait(SOON - STRAIGHT_IN)
            finally:
                patient.release()
        if wants_json():
            return launch_answer(launch, 0, build_page)
        if launch.opened and not any(one.touches_work for one in launch.opened.receipts):
            launch.told = True
            return make_response(redirect(launch.opened.url, 303))
        if launch.error:
            launch.told = True
            ways = (*ways_out(launch), *build_link(launch.error, build_page))
            return answer(explain(launch.error, request_id=launch.request_id, actions=ways))
        launch.told = launch.opened is not None
        said = launch_json(launch, 0, build_page)
        return make_response(render_template("waiting.html", launch=said, csrf=csrf_token()))

    @views.get("/api/launches/<launch_id>")
    def events(launch_id: str) -> Response:
        launch = launches.find(launch_id, known_student())
        if launch is None:
            abort(404, "There is no such launch of yours; open the link again.")
        return launch_answer(launch, request.args.get("since", 0, type=int), build_page)

    @views.post("/launches/<launch_id>/leave")
    def leave(launch_id: str) -> Response:
        launch = launches.find(launch_id, known_student())
        if launch is None:
            abort(404, "There is no such launch of yours; open the link again.")
        launches.leave(launch)
        if wants_json():
            return jsonify(left=True)
        link = compose_link(launch.link, "")
        return make_response(render_template("left.html", title=title_of(launch), link=link))

    return views


def is_soon(launch: Launch, ready: Callable[[str], bool]) -> bool:
    """True where the notebook is a moment away: the session is there, or one is ready for it."""
    if launch.phase in (Phase.CONTENT, Phase.OPENING):
        return True
    images = [one.progress.image.name for one in launch.events() if one.progress.image]
    return bool(images) and ready(images[-1])


def ways_out(launch: Launch) -> tuple[dict[str, str], ...]:
    """What the student can click when the launch failed: try again, or a file that is there.

    Nothing where the link is not to be trusted, which a second try does not change.
    """
    if isinstance(launch.error, FolderOfAnother):
        return ()
    link = launch.link
    ways = []
    if isinstance(launch.error, PathNotFound):
        ways = [(f"Open {path}", replace(link, path=path)) for path in launch.error.near[:1]]
        ways.append(("Open the folder instead", replace(link, path="")))
    ways.append(("Try again", link))
    return tuple({"label": label, "href": compose_link(way, "")} for label, way in ways)


def build_link(error: Exception, build_page: Callable[[str], str]) -> tuple[dict[str, str], ...]:
    """The page of the build that failed."""
    page = build_page(error.image) if isinstance(error, BuildFailed) else ""
    return ({"label": "Show the build", "href": page},) if page else ()


def refuse_embedding() -> None:
    """A launch starts by a click or a program, never because another page names it or loads it."""
    asked = request.headers
    kind = asked.get("Sec-Fetch-Dest", "document")
    own_script = kind == "empty" and asked.get("Sec-Fetch-Site") in ("same-origin", "none")
    if (kind != "document" and not own_script) or "prefetch" in asked.get("Sec-Purpose", ""):
        abort(403, "A launch link opens as a page, not as a part of one.")
