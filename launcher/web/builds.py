"""`/env/<name>/<tag>`: how an environment was built, or why it was not; `/env/` lists all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, abort, jsonify, make_response, render_template, request

from envs.build import Build, in_words
from envs.build_log import Line
from envs.packages import difference, packages_of
from envs.stages import Stage, stages_of
from launcher.web.request import wants_json
from launcher.web.shown_builds import ShownBuilds, address_of

WORDS = {
    "running": ("active", "Building"),
    "built": ("ok", "Ready"),
    "failed": ("failed", "Failed"),
    "interrupted": ("stopped", "Stopped"),
    "cancelled": ("stopped", "Cancelled"),
}
"""The dot and the word of each outcome."""
STAGE_WORDS = {"done": "done", "active": "under way", "failed": "failed"}
MOST_LINES = 3000
"""Of a log on the page; the raw text has all."""
MOST_ROWS = 200
GONE = "No such build is shown here. `launcher env logs` on the server shows every one."


def create_blueprint(shown: ShownBuilds) -> Blueprint:
    """The views of builds."""
    views = Blueprint("builds", __name__)

    @views.get("/env/", strict_slashes=False)
    def every() -> Response:
        return listing("Environments", shown.every(), shown)

    @views.get("/env/<name>/", strict_slashes=False)
    def of_name(name: str) -> Response:
        found = shown.find(name)
        if not found:
            abort(404, GONE)
        return listing(name, found, shown)

    @views.get("/env/<name>/<path:tag>")
    def one(name: str, tag: str) -> Response:
        found = shown.find(name, tag)
        if not found:
            abort(404, GONE)
        if len({build.repo for build in found}) > 1:
            return listing(f"{name} {tag}: which one?", found, shown)
        if request.args.get("view") == "raw":
            text = shown.store.records.log(found[0].name)
            return Response(text, content_type="text/plain; charset=utf-8")
        said = build_json(found[0], shown)
        if wants_json():
            return jsonify(said)
        about = {**said, **details(found[0], shown), "others": rows(found[1:], shown)}
        return make_response(render_template("build.html", build=about))

    @views.get("/api/env/<name>/<tag>")
    def follow(name: str, tag: str) -> Response:
        """What is new on the page of a running build, with the lines after `since`."""
        build = shown.of_image(f"env/{name}:{tag}")
        if build is None:
            abort(404, GONE)
        return jsonify(build_json(build, shown, since=request.args.get("since", 0, type=int)))

    return views


def listing(title: str, builds: Sequence[Build], shown: ShownBuilds) -> Response:
    found = rows(builds[:MOST_ROWS], shown)
    if wants_json():
        return jsonify(builds=found)
    return make_response(render_template("builds.html", title=title, builds=found))


def rows(builds: Sequence[Build], shown: ShownBuilds) -> list[dict[str, Any]]:
    return [
        {
            "name": shown.name_of(build),
            "tag": build.ref or build.commit[:12],
            "repo": build.repo,
            "image": build.name,
            "address": address_of(build.name),
            "dot": dot_and_word(build)[0],
            "word": dot_and_word(build)[1],
            "started": build.started,
            "seconds": duration(build),
            "took": in_words(duration(build)),
            "error": build.error,
        }
        for build in builds
    ]


def build_json(build: Build, shown: ShownBuilds, *, since: int = 0) -> dict[str, Any]:
    """Everything of a build that changes while it runs, with the log's lines after the cursor."""
    lines = shown.store.records.log_lines(build.name)
    took = duration(build)
    found = stages_of(lines, outcome=build.outcome, ended=build.seconds)
    first = max(since, len(lines) - MOST_LINES)
    dot, word = dot_and_word(build)
    return {
        "image": build.name,
        "repo": build.repo,
        "ref": build.ref,
        "commit": build.commit,
        "outcome": build.outcome,
        "dot": dot,
        "word": word,
        "seconds": took,
        "took": in_words(took),
        "cursor": len(lines),
        "stages": [stage_json(stage, took, first) for stage in found],
        "error": {
            "sentence": build.sentence,
            "message": build.error,
            **{name: getattr(build, name) for name in ("hint", "file", "line", "log_line")},
        }
        if build.error
        else None,
    }


def stage_json(stage: Stage, took: float, first: int) -> dict[str, Any]:
    """A stage with its lines after line `first`; one that lasts has lasted until now."""
    seconds = stage.seconds
    if stage.state == "active" and stage.began is not None:
        seconds = max(took - stage.began, 0.0)
    return {
        "name": stage.name,
        "state": stage.state,
        "first": stage.lines[0].number,
        "word": STAGE_WORDS[stage.state],
        "seconds": None if seconds is None else round(seconds, 1),
        "took": "" if seconds is None else in_words(seconds),
        "left_out": sum(line.number <= first for line in stage.lines),
        "lines": [line_json(line) for line in stage.lines if line.number > first],
    }


def line_json(line: Line) -> dict[str, Any]:
    return {"number": line.number, "text": line.text}


def details(build: Build, shown: ShownBuilds) -> dict[str, Any]:
    """What only the page as a whole shows."""
    image = shown.store.builder.find_image(build.name) if build.outcome == "built" else None
    before = shown.before(build)
    lock = shown.store.records.lock
    packages = packages_of(lock(build.repo, build.name)) if build.outcome == "built" else {}
    earlier = packages_of(lock(before.repo, before.name)) if before else {}
    return {
        "name": shown.name_of(build),
        "tag": build.ref or build.commit[:12],
        "address": address_of(build.name),
        "started": build.started,
        "size": image.size if image else 0,
        "removed": build.outcome == "built" and image is None,
        "still_used": shown.still_used(build) if build.outcome != "built" else "",
        "packages": packages,
        "before": {"tag": before.ref or before.commit[:12], "address": address_of(before.name)}
        if before
        else None,
        "difference": difference(earlier, packages) if earlier and packages else None,
    }


def duration(build: Build) -> float:
    """Seconds that the build took, or has taken so far."""
    now = time.time() - build.started if build.outcome == "running" else build.seconds
    return round(max(now, 0.0), 1)


def dot_and_word(build: Build) -> tuple[str, str]:
    return WORDS.get(build.outcome, ("stopped", build.outcome.capitalize()))
