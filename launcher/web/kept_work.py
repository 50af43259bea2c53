"""A student's work while no session runs: download it, or delete it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, redirect, render_template
from flask import request as asked

from launcher.cleanup.kept_work import A_STUDENT, DAY, KeptWork
from launcher.homes.download import Download
from launcher.web.concurrency import ConcurrencyLimit
from launcher.web.request import csrf_token, known_student, wants_json

AT_ONCE = 8
"""Downloads at a time: each has a thread of the server."""


def create_blueprint(work: KeptWork) -> Blueprint:
    """The views; each is about the student who asks, whatever the address says."""
    views = Blueprint("kept_work", __name__)
    limit = ConcurrencyLimit(AT_ONCE)

    @views.get("/files/<course>/download")
    def download(course: str) -> Response:
        student, course = own(course)
        home = work.sessions.homes.path(student, course)
        name = f"{title_of(course)}-{time.strftime('%Y-%m-%d')}"
        limit.take(student)
        response = Response(pieces(Download(home, name)), content_type="application/zip")
        response.call_on_close(lambda: limit.give_back(student))
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.zip"'
        return response

    @views.get("/files/delete")
    def ask() -> Response:
        course = asked.args.get("course", "")
        if course:
            own(course)
        gone = time.time() + work.bin_days * DAY
        names = [course] if course else work.sessions.homes.courses(known_student() or "-")
        return make_response(
            render_template(
                "delete_work.html",
                course=course,
                names=[title_of(name) for name in names],
                gone=gone,
                csrf=csrf_token(),
            )
        )

    @views.post("/files/delete")
    @views.post("/api/files/delete")
    def delete() -> Response:
        student, course = known_student() or "-", asked.form.get("course", "")
        if course:
            student, course = own(course)
            gone = [work.remove(student, course, who=A_STUDENT, why="the student asked for it")]
        elif asked.form.get("everything") == "yes":
            gone = work.remove_all(student, who=A_STUDENT)
        else:
            abort(400, "Say which course, or everything=yes.")
        if wants_json() or asked.path.startswith("/api/"):
            return jsonify(removed=[asdict(one) for one in gone])
        return make_response(redirect("/sessions", 303))

    def own(course: str) -> tuple[str, str]:
        """The student who asks, and the course if they have a folder for it."""
        student = known_student() or "-"
        if course not in work.sessions.homes.courses(student):
            abort(404, "There is no such folder of yours.")
        return student, course

    return views


def pieces(download: Download) -> Iterator[bytes]:
    """What is sent; the first empty ones are not."""
    return (piece for piece in download.pieces() if piece)


def kept_json(work: KeptWork, student: str) -> list[dict[str, Any]]:
    """The folders that no session has, as lists show them."""
    return [
        {
            **asdict(kept),
            "title": title_of(kept.course),
            "download": f"/files/{kept.course}/download",
        }
        for kept in work.of(student)
    ]


def title_of(course: str) -> str:
    """The course's name without the mark that keeps two of one name apart."""
    return course.rsplit("-", 1)[0]
