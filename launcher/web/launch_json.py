"""A launch as the waiting page and programs read it: its steps, its events, where it led."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Response, jsonify

from launcher.launches import Launch
from launcher.progress import Phase
from launcher.room.queue import Standing
from launcher.web.errors import error_json, explain
from link_generator.content import content_folder

STEPS = (Phase.LINK, Phase.ENVIRONMENT, Phase.SESSION, Phase.CONTENT, Phase.OPENING)
ORDER = (Phase.LINK, Phase.ENVIRONMENT, Phase.QUEUE, Phase.SESSION, Phase.CONTENT, Phase.OPENING)
LABELS = {
    Phase.LINK: "Link",
    Phase.ENVIRONMENT: "Environment",
    Phase.SESSION: "Session",
    Phase.CONTENT: "Course files",
    Phase.OPENING: "Opening",
}


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


def title_of(launch: Launch) -> str:
    """What the link opens, in a word or two."""
    link = launch.link
    return link.path.rsplit("/", 1)[-1] or (content_folder(link.repo) if link.repo else link.env)


def image_in(log: list[str]) -> str:
    """The name of the image that a build log begins with, or empty."""
    found = [match[1] for line in log[:5] if (match := re.fullmatch(r"Building (env/\S+)", line))]
    return found[0] if found else ""
