"""The one table from an error to the page that explains it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, g, jsonify, make_response, redirect, render_template, request
from flask.globals import request_ctx
from werkzeug.exceptions import HTTPException

from envs import errors as env
from launcher import database
from launcher import errors as launcher
from launcher.classes import times as class_times
from launcher.cleanup import kept_work
from launcher.gateway import client
from launcher.homes.bin import NotMoved
from launcher.launches import Launch
from launcher.links import short_links
from launcher.people import people
from launcher.rehearsal import rehearsing
from launcher.web import clicks, rate
from launcher.web.request import board_code, wants_json
from link_generator.errors import BadLink

TEACHER = "Your teacher needs to correct the link: send them the details below."
TEACHER_BUILD = "Your teacher needs to correct the environment: send them the details below."
TEACHER_COURSE = "Ask your teacher before you go on: send them the details below."
TEACHER_HOST = (
    "Your teacher can name a repository at another host, or ask the person who runs this server to "
    "allow this one: send them the details below."
)
AGAIN = "Try again in a minute."
ADMIN = "Tell the person who runs this server: send them the details below."
OWN_WORK = "What you did in this course before is under My sessions: download it there."
NOWHERE = "No page of this server has that address."
BACK = "Go back, reload the page, and send it once more."
WAYS_ON = {
    400: (BACK,),
    403: (BACK,),
    405: ("Open the page by its address, or by a link to it.",),
    413: ("Send less at once.",),
    415: ("Send a form, or JSON as application/json.",),
}
"""For what an error of HTTP means, where doing the same again changes nothing."""
OF_STUDENTS = ("/s/", "/sessions/", "/files/", "/launches/")
MAKE_A_LINK = {"label": "Make a launch link", "href": "/"}
BUILDS = {"label": "All builds", "href": "/env/"}
MY_SESSIONS = {"label": "My sessions", "href": "/sessions"}


@dataclass(frozen=True)
class Row:
    """How one kind of error looks on a page."""

    status: int
    code: str
    title: str
    todo: tuple[str, ...]
    actions: tuple[dict[str, str], ...] = ()
    """Links that help whoever has this error, with a label and an href."""


TABLE: dict[type[Exception], Row] = {
    BadLink: Row(400, "E-LINK", "This link is not complete", (TEACHER,)),
    env.BadEnvironment: Row(400, "E-ENV", "This environment cannot be used", (TEACHER,)),
    env.RepoNotFound: Row(404, "E-ENV", "We can't find the environment", (TEACHER,)),
    env.UnknownRef: Row(404, "E-ENV", "The environment has no such version", (TEACHER,)),
    env.AmbiguousRef: Row(409, "E-ENV", "The environment's version is ambiguous", (TEACHER,)),
    env.NotOffered: Row(409, "E-ENV", "This server cannot build the environment", (TEACHER, ADMIN)),
    env.BuildFailed: Row(
        409, "E-ENV-FAILED", "The environment could not be built", (TEACHER_BUILD,)
    ),
    env.TooManyBuilds: Row(429, "E-BUILDS", "Too many environments are to be built", (), (BUILDS,)),
    env.BuildCancelled: Row(409, "E-ENV-CANCELLED", "The build was cancelled", (TEACHER,)),
    env.GitHostDown: Row(503, "E-GIT-DOWN", "The git server cannot be reached", (AGAIN, TEACHER)),
    env.HostNotAllowed: Row(
        403, "E-HOST-NOT-ALLOWED", "This server may not fetch from there", (TEACHER_HOST,)
    ),
    short_links.NoShortLink: Row(404, "E-LINK", "That link isn't one of ours", ()),
    short_links.BadShortLink: Row(400, "E-LINK", "This short link cannot be saved", ()),
    short_links.LinkClosed: Row(403, "E-CLOSED", "This link is not open now", ()),
    class_times.BadClassTime: Row(400, "E-CLASS", "This class cannot be planned", ()),
    people.LoginNeeded: Row(401, "E-LOGIN", "Please sign in", ()),
    people.NotAllowed: Row(403, "E-ROLE", "This is for somebody else", ()),
    database.DatabaseTrouble: Row(
        503, "E-DATABASE", "This server cannot remember anything", (ADMIN,)
    ),
    launcher.ContentNotFound: Row(
        404, "E-REPO", "We can't find the course files", (TEACHER, OWN_WORK), (MY_SESSIONS,)
    ),
    launcher.UnknownBranch: Row(
        404, "E-BRANCH", "The course has no such branch", (TEACHER, OWN_WORK), (MY_SESSIONS,)
    ),
    launcher.FolderOfAnother: Row(
        409, "E-COURSE", "Another course has this folder", (TEACHER_COURSE,), (MY_SESSIONS,)
    ),
    launcher.PathNotFound: Row(404, "E-PATH", "The file to open is not there", (TEACHER,)),
    launcher.HomeFull: Row(507, "E-DISK", "Your folder is full", ()),
    launcher.ContentFailed: Row(
        503,
        "E-CONTENT",
        "The course files could not be copied",
        (AGAIN, ADMIN, OWN_WORK),
        (MY_SESSIONS,),
    ),
    launcher.SessionFailed: Row(503, "E-SESSION", "Your session did not start", (AGAIN, ADMIN)),
    launcher.SessionGone: Row(503, "E-SESSION", "Your session has just ended", (AGAIN,)),
    rehearsing.TooManyRehearsals: Row(503, "E-FULL", "Too many rehearsals wait", (AGAIN,)),
    launcher.TooBusy: Row(503, "E-BUSY", "One thing at a time", (AGAIN,)),
    rate.TooOften: Row(429, "E-MANY", "Too often in an hour", ()),
    clicks.TooManyLaunches: Row(429, "E-MANY", "Too many launches in an hour", ()),
    NotMoved: Row(503, "E-BIN", "The folder could not be removed", (AGAIN, ADMIN)),
    kept_work.InUse: Row(409, "E-IN-USE", "The folder is in use", (), (MY_SESSIONS,)),
    launcher.DiskFull: Row(503, "E-DISK", "This server's disk is full", ()),
    client.GatewayGone: Row(503, "E-GATEWAY", "Your session cannot be reached now", (AGAIN, ADMIN)),
    launcher.NoRuntime: Row(503, "E-RUNTIME", "This server cannot start sessions now", (ADMIN,)),
}
UNEXPECTED = Row(500, "E-INTERNAL", "Something went wrong on this server", (AGAIN, ADMIN))
EXPECTED: tuple[type[Exception], ...] = (*TABLE, env.EnvError, launcher.LaunchError)


@dataclass(frozen=True)
class Explained:
    """An error as the page and the JSON answers tell it."""

    status: int
    code: str
    title: str
    happened: str
    hint: str
    todo: tuple[str, ...]
    field: str
    near: tuple[str, ...]
    request_id: str
    actions: tuple[dict[str, str], ...] = ()
    retry_after: int = 0
    """Seconds."""
    work_safe: str = "Your work is safe: nothing that you saved has been changed."


def explain(
    error: Exception, *, request_id: str, actions: tuple[dict[str, str], ...] = ()
) -> Explained:
    """What a person needs to know of `error`; `actions` are links with a label and an href."""
    row = next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), UNEXPECTED)
    expected = row is not UNEXPECTED
    hint = getattr(error, "hint", "") if expected else ""
    return Explained(
        status=row.status,
        code=row.code,
        title=row.title,
        happened=str(getattr(error, "message", "") or error)
        if expected
        else "The details are in the server's log under the id below.",
        hint=hint,
        todo=(*((hint,) if hint else ()), *row.todo),
        field=getattr(error, "field", ""),
        near=tuple(getattr(error, "near", ())),
        request_id=request_id,
        actions=(*actions, *row.actions),
        retry_after=getattr(error, "retry_after", 0),
    )


def missing() -> Row:
    """What to say of something that is not there: to a student mostly a session of another day."""
    if request.url_rule is None:
        return Row(404, "", "That address isn't one of ours", ("Check its last letters.",))
    if request.path.startswith(OF_STUDENTS):
        back = "Open the link that you were given: your files come with it."
        return Row(404, "", "That isn't here for you", (back,), (MY_SESSIONS,))
    return Row(404, "", "That isn't here", ())


def words_of(launch: Launch) -> str:
    """What a launch that failed tells its student, for somebody who helps."""
    if launch.error is None:
        return ""
    said = explain(launch.error, request_id=launch.request_id)
    happened = said.title if said.code == UNEXPECTED.code else said.happened
    return f"{happened} ({said.code}, id {said.request_id})"


def error_json(explained: Explained) -> dict[str, Any]:
    """The error as programs get it: facts and the way out, no page texts."""
    known = asdict(explained)
    return {
        "message": explained.happened,
        **{k: known[k] for k in ("code", "title", "field", "hint", "near", "request_id")},
    }


def answer(explained: Explained) -> Response:
    """The error as JSON where the client prefers that, else as a page."""
    no_pages = request_ctx.url_adapter is None  # its Host is none: no link would lead anywhere
    if no_pages or wants_json() or request.path.startswith("/api/"):
        response = jsonify(error=error_json(explained))
    else:
        response = make_response(render_template("error.html", error=explained, code=board_code()))
    response.status_code = explained.status
    wait = explained.retry_after or (5 if explained.status == 503 else 0)
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def register(app: Flask) -> None:
    """Answer every error of every view from the table."""

    def sign_in(error: people.LoginNeeded) -> Response:
        if request.path.startswith("/api/") or wants_json() or request.method != "GET":
            return known(error)
        where = request.full_path.rstrip("?")
        return make_response(redirect(f"/login?{urlencode({'next': where})}", 303))

    def known(error: Exception) -> Response:
        return answer(explain(launcher.in_words(error), request_id=g.get("request_id", "")))

    def http(error: HTTPException) -> Response:
        status = error.code or 500
        ways_on = WAYS_ON.get(status, (AGAIN,))
        row = missing() if status == 404 else Row(status, "", HTTPStatus(status).phrase, ways_on)
        words = NOWHERE if status == 404 and request.url_rule is None else error.description
        return answer(
            Explained(
                status=status,
                code=f"E-{status}",
                title=row.title,
                happened=words or row.title,
                hint="",
                todo=row.todo,
                field="",
                near=(),
                request_id=g.get("request_id", ""),
                actions=row.actions or (MAKE_A_LINK,),
                work_safe="",
            )
        )

    def unexpected(error: Exception) -> Response:
        if isinstance(launcher.in_words(error), EXPECTED):
            app.logger.warning("not answered: %s", error)
            return known(error)
        app.logger.exception("unexpected error", exc_info=error)
        return known(error)

    for kind in EXPECTED:
        app.register_error_handler(kind, known)
    app.register_error_handler(people.LoginNeeded, sign_in)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unexpected)
