"""A launch as BinderHub's `/build` tells it: one JSON object per event, always with status 200.

Clients (Thebe, binderhub-client) read `phase`, `message`, and `url` and `token` of the last one;
anything but a 200 they cannot explain to anybody.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from envs.build_places import BUILDING, WAITING
from launcher.launches import Launch
from launcher.progress import Phase, Progress
from launcher.web.errors import explain

KEEPALIVE = 25.0
"""Seconds of silence after which a comment tells proxies that the stream lives."""
LOOK = 1.0
"""Seconds after which a client that went away gives its place free."""
LINGER = 5.0
"""Seconds that a finished stream stays open: a client that is closed on takes it for an error."""
PHASES = {
    Phase.LINK: "waiting",
    Phase.ENVIRONMENT: "fetching",
    Phase.QUEUE: "waiting",
    Phase.SESSION: "launching",
    Phase.CONTENT: "launching",
    Phase.OPENING: "launching",
}

Event = dict[str, Any]


def frame(event: Event) -> bytes:
    return f"data: {json.dumps(event)}\n\n".encode()


def failed(status: int, message: str) -> Event:
    """The event that ends a stream badly; `message` is all that a person will see."""
    return {"phase": "failed", "status_code": status, "message": f"{message.strip()}\n"}


def failed_by(error: Exception, request_id: str) -> Event:
    """The same of an error, with its way out."""
    said = explain(error, request_id=request_id)
    sentences = [said.happened if said.happened.endswith(".") else f"{said.happened}."]
    sentences += [said.hint] if said.hint else [f"{said.title} ({request_id})."]
    return failed(said.status, " ".join(sentences))


def event_of(progress: Progress) -> Event:
    """One step of a launch in BinderHub's words."""
    phase, message = PHASES[progress.phase], progress.message
    if progress.image:
        image = progress.image.name
        return {"phase": "built", "imageName": image, "message": f"{message}, launching...\n"}
    if progress.phase is Phase.ENVIRONMENT:
        if message.startswith(WAITING):
            phase = "waiting"
        elif progress.log or message.startswith(BUILDING):
            phase = "building"
    return {"phase": phase, "message": f"{message}\n"}


def frames(
    launch: Launch,
    ready: Callable[[], Event],
    is_gone: Callable[[], bool],
    watched: Callable[[], None] = lambda: None,
) -> Iterator[bytes]:
    """The launch from its beginning to its end, with comments while nothing happens.

    `ready` makes the last event of a launch that went well; `is_gone` knows of a client that left,
    and `watched` hears that there is still one.
    """
    seen, said = 0, time.monotonic()
    while True:
        ended = launch.ended  # before its events: then none of them is missed
        for event in launch.events(seen):
            seen, said = event.cursor, time.monotonic()
            yield frame(event_of(event.progress))
        if ended:
            break
        if not launch.wait_for_news(seen, LOOK):
            if is_gone():
                return
            watched()
            if time.monotonic() - said > KEEPALIVE:
                said = time.monotonic()
                yield b":keepalive\n\n"
    launch.told = True
    yield frame(failed_by(launch.error, launch.request_id) if launch.error else ready())
    until = time.monotonic() + LINGER
    while time.monotonic() < until and not is_gone():
        time.sleep(0.1)
