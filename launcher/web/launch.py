"""The click: `/launch` shows real steps until the notebook opens; `/api/launches` is the same
for programs. The link itself is the waiting page's address, so a refresh, a second tab or a
restart of the server just clicks it again."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
from launcher.errors import PathNotFound
from launcher.launches import Launch, Launches
from launcher.progress import Phase
from launcher.room.queue import Standing
from launcher.web.clicks import ClickLimits
from launcher.web.errors import answer, error_json, explain
from launcher.web.request import csrf_token, known_student, student, wants_json
from link_generator.content import content_folder
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
STEPS = (Phase.LINK, Phase.ENVIRONMENT, Phase.SESSION, Phase.CONTENT, Phase.OPENING)
ORDER = (Phase.LINK, Phase.ENVIRONMENT, Phase.QUEUE, Phase.SESSION, Phase.CONTENT, Phase.OPENING)
LABELS = {
    Phase.LINK: "Link",
    Phase.ENVIRONMENT: "Environment",
    Phase.SESSION: "Session",
    Phase.CONTENT: "Course files",
    Phase.OPENING: "Opening",
}


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


def title_of(launch: Launch) -> str:
    """What the link opens, in a word or two."""
    link = launch.link
    return link.path.rsplit("/", 1)[-1] or (content_folder(link.repo) if link.repo else link.env)


def ways_out(launch: Launch) -> tuple[dict[str, str], ...]:
    """What the student can click when the launch failed: try again, or a file that is there."""
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


def image_in(log: list[str]) -> str:
    """The name of the image that a build log begins with, or empty."""
    found = [match[1] for line in log[:5] if (match := re.fullmatch(r"Building (env/\S+)", line))]
    return found[0] if found else ""


def refuse_embedding() -> None:
    """A launch starts by a click or a program, never because another page names it or loads it."""
    asked = request.headers
    kind = asked.get("Sec-Fetch-Dest", "document")
    own_script = kind == "empty" and asked.get("Sec-Fetch-Site") in ("same-origin", "none")
    if (kind != "document" and not own_script) or "prefetch" in asked.get("Sec-Purpose", ""):
        abort(403, "A launch link opens as a page, not as a part of one.")


def launch_answer(launch: Launch, since: int, build_page: Callable[[str], str]) -> Response:
    """The launch as JSON. Who reads the address has been told; a failure the page still shows."""
    said = launch_json(launch, since, build_page)
    launch.told = launch.told or said["url"] is not None
    return jsonify(said)


def launch_json(launch: Launch, since: int, build_page: Callable[[str], str]) -> dict[str, Any]:
    """Everything that the waiting page shows, with the events after the cursor."""
    every = launch.events()
    error = None
    if launch.error:
        error = error_json(explain(launch.error, request_id=launch.request_id))
    receipts = [one.as_json() for one in launch.opened.receipts] if launch.opened else []
    log = [event.progress.message for event in every if event.progress.log]
    return {
        "id": launch.id,
        "title": title_of(launch),
        "subtitle": f"{launch.link.env} {launch.link.tag}".rstrip(),
        "phase": launch.phase.value,
        "cursor": every[-1].cursor if every else 0,
        "queue": standing_json(launch.standing) if launch.standing else None,
        "steps": steps(launch),
        "log": log,
        "build": build_page(image_in(log)),
        "events": [
            {
                "cursor": event.cursor,
                "phase": event.progress.phase.value,
                "message": event.progress.message,
                "log": event.progress.log,
                "at": event.at,
            }
            for event in every
            if event.cursor > since
        ],
        "url": launch.opened.url if launch.opened else None,
        "receipt": receipts[0] if receipts else None,
        "receipts": receipts,
        "to_read": [one["sentence"] for one in receipts if one["touches_work"]],
        "session": launch.opened.session.id if launch.opened else None,
        "error": error,
    }


def standing_json(standing: Standing) -> dict[str, Any]:
    """Where in line it is, in numbers and in words; no seconds where none were measured."""
    seconds = standing.seconds
    return {
        "number": standing.number,
        "of": standing.of,
        "seconds": None if seconds is None else round(seconds),
        "place": standing.place,
        "sentence": standing.sentence,
    }


def steps(launch: Launch) -> list[dict[str, Any]]:
    """The steps with their state, their newest sentence and the seconds they took."""
    found: list[dict[str, Any]] = []
    events = launch.events(launch.again)
    now = launch.ended or None
    current = events[-1].progress.phase if events else Phase.LINK
    for phase in STEPS:
        if phase is Phase.CONTENT and not launch.link.repo:
            continue
        own = [event for event in events if event.progress.phase is phase]
        if launch.opened or ORDER.index(phase) < ORDER.index(current):
            state = "done"
        elif phase is current:
            state = "failed" if launch.error else "active"
        else:
            state = "waiting"
        after = [event.at for event in events if own and event.cursor > own[-1].cursor]
        end = after[0] if after else now
        said = [event.progress.message for event in own if not event.progress.log]
        label = launch.link.opens if phase is Phase.OPENING else ""
        found.append(
            {
                "name": phase.value,
                "label": f"{LABELS[phase]} {label}".rstrip(),
                "state": state,
                "message": said[-1] if said else "",
                "seconds": round(end - own[0].at, 2) if own and end else None,
            }
        )
    return found
