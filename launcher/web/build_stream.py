"""`/build/<provider>/<spec>`: a session for a program, which follows the launch as events."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, Response, g, request

from launcher.errors import LaunchError
from launcher.launches import Launch, Launches
from launcher.people.identity import new_guest
from launcher.sessions.sessions import Sessions
from launcher.settings.values import session_address
from launcher.web.binder_links import BinderLinks, raw_rest
from launcher.web.build_events import Event, failed, failed_by, frame, frames
from launcher.web.rate import RateLimit, Taken
from launcher.web.request import asker
from link_generator.binder_spec import compose_spec
from link_generator.content import content_folders
from link_generator.errors import BadLink
from link_generator.link import Link

log = logging.getLogger(__name__)

SHOW_AT_ROOT = 'cd && ln -s -- "$1"/* . 2>/dev/null; exit 0'


@dataclass(frozen=True)
class BuildStream:
    """The parts that it needs."""

    links: BinderLinks
    launches: Launches
    sessions: Sessions
    public_url: str
    sessions_url: str
    """Where programs use sessions with their token."""
    trusted_proxies: tuple[str, ...]
    limit: RateLimit
    """How many sessions an address may start."""
    places: threading.BoundedSemaphore
    """One for each stream at once: each holds a thread of the server."""

    def refusal(self) -> Event | None:
        """Why this request starts nothing, in the order in which BinderHub asks."""
        if "text/event-stream" not in request.headers.get("Accept", "").lower():
            return failed(400, "Missing Accept header: text/event-stream")
        if request.args.get("build_token"):
            return failed(403, "Invalid build token: this server gives none, leave it out.")
        if request.args.get("build_only", "false").lower() != "false":
            return failed(400, "Building without launching is not offered: leave out build_only.")
        return None

    def take(self) -> Taken | None:
        """Count this request for the address that it comes from."""
        return self.limit.take(asker(self.trusted_proxies))

    def answer(self) -> Response:
        """Start a session for a student of its own: programs bring no cookie, and none counts."""
        asked = raw_rest("build")
        provider, _, spec = asked.partition("/")
        try:
            link = self.links.link(provider, spec)
        except BadLink as bad:
            return events(failed_by(bad, g.request_id))
        if request.method == "HEAD":  # whoever only looks at an address starts nothing
            return events(())
        if not self.places.acquire(blocking=False):
            return events(failed(503, "Too many sessions are starting. Try again in a minute."))
        with contextlib.ExitStack() as undo:
            undo.callback(self.places.release)
            response = self.stream(link, asked)
            response.call_on_close(undo.pop_all().close)
            return response

    def stream(self, link: Link, asked: str) -> Response:
        launch = self.launches.ensure(link, new_guest(), g.request_id)
        is_gone: Callable[[], bool] = request.environ.get(
            "waitress.client_disconnected", lambda: False
        )
        ready = functools.partial(self.ready, launch, asked)
        watched = functools.partial(self.launches.asked_for, launch)
        return events(frames(launch, ready, is_gone, watched))

    def ready(self, launch: Launch, asked: str) -> Event:
        """The last event: where the session is, and the token that opens it."""
        if launch.opened is None:
            raise ValueError("the launch has not ended well")
        link, session = launch.link, self.sessions.spec(launch.opened.session)
        self.show_at_root(session.id, content_folders(link.contents)[0])
        images = [one.progress.image for one in launch.events() if one.progress.image]
        commit = images[-1].commit if images else link.tag
        url = session_address(self.sessions_url, session.id) + session.base_url
        return {
            "phase": "ready",
            "message": f"server running at {url}\n",
            "url": url,
            "token": session.token,
            "image": session.image,
            "repo_url": link.repo,
            "binder_ref_url": f"{link.repo.removesuffix('.git')}/tree/{commit or 'HEAD'}",
            "binder_launch_host": f"{self.public_url}/",
            "binder_request": f"v2/{asked}",
            "binder_persistent_request": f"v2/{compose_spec(link.repo, commit)}",
        }

    def show_at_root(self, session_id: str, folder: str) -> None:
        """Binder's sessions begin in the repository: programs look for its files there."""
        try:
            command = ["/bin/sh", "-c", SHOW_AT_ROOT, "sh", folder]
            self.sessions.runtime.run(session_id, command, timeout=10)
        except (LaunchError, TimeoutError) as error:
            log.warning("files are not shown at the root", extra={"why": str(error)})


def create_blueprint(builds: BuildStream) -> Blueprint:
    """The one view."""
    views = Blueprint("build_stream", __name__)

    @views.get("/build/<path:asked>", merge_slashes=False)
    def build(asked: str) -> Response:
        refused = builds.refusal()
        if refused:
            return events(refused)
        taken = builds.take() if request.method != "HEAD" else None
        if taken and not taken.allowed:
            said = f"Rate limit exceeded. Try again in {taken.wait} seconds."
            response = events(failed(429, said))
        else:
            response = builds.answer()
        if taken:
            response.headers.update(taken.headers())
        return response

    return views


def events(body: object) -> Response:
    """One event or a stream of them; always 200, so that clients read what it says."""
    content = frame(body) if isinstance(body, dict) else body
    response = Response(content, content_type="text/event-stream")  # type: ignore[arg-type]
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"  # nginx in front passes each event on at once
    return response
