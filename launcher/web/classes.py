"""`/classes`: an instructor plans a class and reads beforehand whether it fits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
)

from envs.errors import EnvError
from launcher.classes.classes import Classes, check
from launcher.classes.forecast import Forecast, forecast
from launcher.classes.times import LASTS, BadClassTime, ClassTime, class_of, parse_moment
from launcher.environment import Environments, link_of
from launcher.errors import LaunchError
from launcher.homes.home import course_name
from launcher.links.preflight import Check
from launcher.people.audit import Audit
from launcher.room.capacity import Capacity
from launcher.settings.values import seconds
from launcher.warm.before_class import image_of
from launcher.web.request import csrf_token
from launcher.web.visitor import need_user
from link_generator.errors import BadLink
from link_generator.form import fill
from link_generator.link import Link

MOST = 5000
"""Students of one class."""
LARGEST = 2**31 - 1
"""The largest number of a class; databases know no endless ones."""


@dataclass(frozen=True)
class Given:
    """What a form or a JSON body says of a class."""

    env: str = ""
    students: str = ""
    at: str = ""
    lasts: str = ""
    repo: str = ""
    branch: str = ""

    @classmethod
    def of(cls, body: Any) -> Given:
        if not hasattr(body, "get"):
            raise BadClassTime("The body holds no fields.", hint="Send {env, students, at}.")
        found = {name: str(body.get(name) or "").strip()[:2000] for name in cls.__annotations__}
        return cls(**found)

    def count(self) -> int:
        """:raises BadClassTime: it is no number of students."""
        said = f"{self.students!r} is no number of students." if self.students else "How many come?"
        if not self.students.isdecimal() or not 1 <= int(self.students[:9]) <= MOST:
            hint = f"Write one from 1 to {MOST}."
            raise BadClassTime(said, hint=hint, field="students")
        return int(self.students)

    def link(self) -> Link:
        """The link that the class will click, but for the file.

        :raises BadClassTime, BadLink: it names no environment, or none that can be.
        """
        if not self.env:
            hint = "Choose one of this server, or paste a repository's address with @ and a tag."
            raise BadClassTime("Which environment is missing.", hint=hint, field="env")
        return fill({"env": self.env, "repo": self.repo, "branch": self.branch}).draft.link()

    def class_time(self, now: float) -> ClassTime:
        """:raises BadClassTime, BadLink: a field is wrong."""
        link, count = self.link(), self.count()
        try:
            lasts = seconds(self.lasts or LASTS)
        except ValueError as error:
            raise BadClassTime(f"{error}.", field="lasts") from error
        at = parse_moment(self.at or "now", now)
        made = class_of(link, count, at, lasts)
        check(made, now=now)
        return made


@dataclass(frozen=True)
class Planning:
    """The parts that it needs."""

    classes: Classes
    environments: Environments
    capacity: Capacity
    audit: Audit
    preflight: Callable[[Link], Sequence[Check]]
    """Looks at the environment and the content, before a whole class does."""
    courses: Callable[[], Mapping[str, int]] = dict
    """The courses that students are in now, and how many."""

    def rows(self) -> list[dict[str, Any]]:
        """The classes to come, each with the course on whose board it will be."""
        coming = self.classes.coming(time.time())
        return [
            row | {"course": self.course(one)}
            for row, one in zip(rows_of(coming), coming, strict=True)
        ]

    def course(self, one: ClassTime) -> str:
        """Empty where the environment is no longer in the catalogue."""
        try:
            return course_name(one.repo or self.environments.of(link_of(one.env))[0])
        except (EnvError, BadLink):
            return ""

    def forecast(self, given: Given) -> Forecast:
        """:raises EnvError, LaunchError, BadLink: no such environment, or no number."""
        return forecast(self.capacity, image_of(self.environments, given.link()), given.count())

    def plan(self, given: Given, who: str) -> ClassTime:
        """:raises EnvError, LaunchError, BadLink: a field is wrong."""
        now = time.time()
        asked = given.class_time(now)
        self.forecast(given)
        made = self.classes.add(asked, now=now)
        self.audit.note(who, "class planned", made.env, f"{made.students} at {made.starts:.0f}")
        return made

    def cancel(self, number: int, who: str) -> None:
        if number > LARGEST or not self.classes.cancel(number):
            abort(404, "There is no such class.")
        self.audit.note(who, "class cancelled", str(number))


def create_blueprint(planning: Planning) -> Blueprint:
    views = Blueprint("classes", __name__)

    @views.get("/classes")
    def show() -> Response:
        need_user()
        given = Given.of(request.args)
        if given == Given():
            return page(planning, given)
        try:
            given.class_time(time.time())
            said = planning.forecast(given)
            return page(planning, given, said=said, checks=planning.preflight(given.link()))
        except (EnvError, LaunchError, BadLink) as error:
            return page(planning, given, error=error)

    @views.post("/classes")
    def plan() -> Response:
        user, given = need_user(), Given.of(request.form)
        try:
            planning.plan(given, user.name)
        except (EnvError, LaunchError, BadLink) as error:
            return page(planning, given, error=error)
        return make_response(redirect("/classes", 303))

    @views.post("/classes/<int:number>/cancel")
    def cancel(number: int) -> Response:
        planning.cancel(number, need_user().name)
        return make_response(redirect("/classes", 303))

    @views.get("/api/classes")
    def every() -> Response:
        need_user()
        return jsonify(classes=rows_of(planning.classes.coming(time.time())))

    @views.post("/api/classes")
    def add() -> tuple[Response, int]:
        user, given = need_user(), Given.of(request.get_json())
        made = planning.plan(given, user.name)
        return jsonify(**asdict(made), forecast=asdict(planning.forecast(given))), 201

    @views.delete("/api/classes/<int:number>")
    def remove(number: int) -> Response:
        planning.cancel(number, need_user().name)
        return jsonify(cancelled=number)

    @views.get("/api/classes/forecast")
    def say() -> Response:
        need_user()
        return jsonify(asdict(planning.forecast(Given.of(request.args))))

    return views


def page(
    planning: Planning,
    given: Given,
    *,
    said: Forecast | None = None,
    checks: Sequence[Check] = (),
    error: Exception | None = None,
) -> Response:
    shown = render_template(
        "classes.html",
        classes=planning.rows(),
        now=planning.courses(),
        known=sorted(planning.environments.catalogue),
        clock=time.strftime("%H:%M %Z"),
        given=given,
        said=said,
        checks=checks,
        error=error,
        csrf=csrf_token(),
    )
    response = make_response(shown)
    response.status_code = 400 if error else 200
    return response


def rows_of(classes: Iterable[ClassTime]) -> list[dict[str, Any]]:
    now = time.time()
    return [{**asdict(one), "near": one.is_near(now)} for one in classes]
