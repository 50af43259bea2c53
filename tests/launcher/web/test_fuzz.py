"""Whatever is asked of the app, it answers in its own words: never a 5xx that nobody meant."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher.app import create_app
from launcher.config import load_config
from launcher.database import Database
from launcher.homes.home import Homes
from launcher.links.short_links import ShortLinks
from launcher.parts import create_parts
from launcher.people import identity
from launcher.people.people import Role
from launcher.session import Limits, SessionSpec
from launcher.sessions.history import History
from launcher.web import openapi, request
from link_generator.link import Link
from tests.fakes import FakeGateway

MEANT = {"/readyz", "/health"}
"""These say with a 503 what is the matter."""
STUDENT = "0123456789abcdef0123"
SESSION, COURSE, SLUG = "ab" * 12, "intro-0a1b2c3d", "week-1"
SAID = [SESSION, COURSE, SLUG, "", "\x00", "\ud800", "9" * 40, "A" * 3000, "a b\r\nX: y"]
ODD = """. .. ../../etc/passwd %2e%2e a/b //h/x http://[ http://127.0.0.1:9/x gh/o/r@v1 docker:x
docker: @ -x --upload-pack=x ü 0 -1 1e9 null {} <b> '"`$(x) lab launcher https://git.invalid/o/r
yes now 2031-02-03T09:30 0001-01-01 9999-12-31T23:59+00:00 10:00 -5m 1h"""
WORDS = st.one_of(
    st.text(max_size=40),
    st.sampled_from([*ODD.split(), *SAID]),
)
NAMES = "Accept Content-Type Cookie Authorization Origin Referer X-CSRF-Token X-Forwarded-For Range"
VALUES = (
    "application/json text/html */*;q=x bytes=0- launcher_student=x =a;launcher_user 127.0.0.1 ::1"
)
HEADERS = st.dictionaries(
    st.sampled_from([*NAMES.split(), "If-None-Match", "Host"]),
    st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40),
        st.sampled_from([*VALUES.split(), "Bearer x"]),
    ),
    max_size=4,
)
FIELDS = """csrf token link path next url slug title opens closes ref after repository course
everything in_place env repo branch version students starts at lasts snapshot file what id"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS.split()), inner, max_size=5)
    ),
    max_leaves=8,
)
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    JSON.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.sampled_from(FIELDS.split()), WORDS),
)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    data = tmp_path_factory.mktemp("fuzz")
    hook = data / "hook"
    hook.write_text("secret")
    config = load_config(
        data=str(data / "data"),
        runtime="local",
        git__hosts=["git.invalid"],
        git__timeout="1s",
        environments__webhook_secret_file=str(hook),
    )
    app = create_app(create_parts(config), gateway=FakeGateway())
    app.config["PROPAGATE_EXCEPTIONS"] = False
    people, database = app.extensions["people"], Database.of(config.data)
    app.config["INSTRUCTOR"] = people.add("ann", Role.INSTRUCTOR)
    app.config["ADMIN"] = people.add("root", Role.ADMIN)
    ShortLinks(database).save(SLUG, Link(env="gh/o/e", tag="v1"), who="ann")
    home = Homes(config.data / "homes").path(STUDENT, COURSE)
    spec = SessionSpec(SESSION, STUDENT, COURSE, "i", "/launch?env=x", "t", home, Limits(1, 1, 1))
    History(database).started(spec)
    app.config["HOMES"] = [home, home.parent.with_name("somebody-else") / COURSE]
    return app


def test_a_name_that_no_file_could_have_is_not_found(app):
    assert app.test_client().get(f"/api/env/{'A' * 3000}/{'B' * 3000}").status_code == 404
    assert app.test_client().get(f"/env/{'A' * 3000}/v1").status_code == 404


def test_a_host_that_is_none_is_told_so(app):
    for path in ("/", "/api/sessions", "/nowhere"):
        answer = app.test_client().get(path, environ_overrides={"HTTP_HOST": "a..b"})
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "E-400")


def check(answer, path):
    """It is one of ours: meant, with the headers of every answer, and JSON where that is said."""
    assert answer.status_code < 500 or answer.status_code == 503, answer.text
    assert "Traceback" not in answer.text
    for name, value in request.POLICY.items():
        assert answer.headers[name] == value
    assert answer.headers["X-Request-Id"]
    kinds = {kind for one in said_of(path) for kind in one["responses"]["200"].get("content", ())}
    if path.startswith("/api/") and not 300 <= answer.status_code < 400:
        assert answer.mimetype in ({"application/json"} | kinds), answer.headers
    if answer.is_json and answer.data and answer.status_code >= 400 and path not in MEANT:
        error = answer.get_json()["error"]
        assert error["message"]
        assert error.get("code") != "E-INTERNAL"


def said_of(path):
    """What the description has of a rule of the app."""
    found = openapi.description()["paths"].get(path, {}).values()
    return [one for one in found if "200" in one["responses"]]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_question_to_the_api_is_an_error_of_the_server(app, data):
    said = openapi.description()["paths"]
    every = [(path, method) for path, methods in said.items() for method in methods]
    path, method = data.draw(st.sampled_from(every))
    filled = path
    for name in openapi.names(path):
        filled = filled.replace(f"{{{name}}}", data.draw(WORDS) or "x")
    known = said[path][method]["parameters"]
    wanted = [row["name"] for row in known if row["in"] == "query"]
    query = data.draw(st.dictionaries(st.sampled_from([*wanted, "x"]), WORDS, max_size=5))
    ask(app, data, method, filled, query, path)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_question_to_a_page_is_an_error_of_the_server(app, data):
    rules = [rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/api/")]
    rule = data.draw(st.sampled_from(sorted(rules, key=str)))
    method = data.draw(st.sampled_from([*sorted(rule.methods), "POST", "PATCH"]))
    path = rule.rule
    for name in rule.arguments:
        value = data.draw(st.one_of(WORDS, st.sampled_from(["close", "open"]))) or "x"
        path = re.sub(rf"<(?:[^<>]*:)?{name}>", lambda _, v=value: v, path)
    names = ["url", "next", "link", "view", "check", "look", "pasted", "env", "repo", "q", "id"]
    names += ["urlpath", "filepath", "labpath", "build_token", "build_only", "return", "dialect"]
    query = data.draw(st.dictionaries(st.sampled_from(names), WORDS, max_size=4))
    ask(app, data, method, path, query, rule.rule)


def ask(app, data, method, path, query, asked):
    """One request by somebody who may be known, whatever it carries."""
    client = app.test_client()
    for home in app.config["HOMES"]:
        home.mkdir(parents=True, exist_ok=True)
    who = data.draw(st.sampled_from(["nobody", "student", "instructor", "admin"]))
    if who == "student":
        secret = app.config["SECRET"]
        client.set_cookie(identity.COOKIE, identity.sign_student(secret, STUDENT))
        client.environ_base["HTTP_X_CSRF_TOKEN"] = client.get("/api/sessions").json["csrf"]
    if who in ("instructor", "admin"):
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {app.config[who.upper()]}"
    body = data.draw(BODIES) if method.upper() not in ("GET", "HEAD") else None
    if isinstance(body, dict):
        body = {name: sendable(value) for name, value in body.items()}
    elif data.draw(st.booleans()):
        client.environ_base["CONTENT_TYPE"] = "application/json"
    headers = {name: value.strip() for name, value in data.draw(HEADERS).items()}
    with client.open(
        "/" + quote(sendable(path).lstrip("/"), safe="/%"),
        method=method.upper(),
        query_string={name: sendable(value) for name, value in query.items()},
        headers=headers,
        data=body,
        buffered=True,
    ) as answer:
        check(answer, asked)
    assert app.config["HOMES"][1].exists(), "somebody else's"


def sendable(text):
    """As a browser could send it: no lone surrogates, nothing that would end a line."""
    return text.encode("utf-8", "replace").decode()


HOSTILE = [
    {"query_string": "env=" + "a" * 100_000},
    {"query_string": "&".join(f"env{n}=x" for n in range(20_000))},
    {"query_string": "env=a&env=b&url=x&url=y&q=1&q=2&since=1&since=2"},
    {"query_string": "env=%ff%fe&url=%ff&q=%ed%a0%80&since=%00&path=%c0%ae"},
    {"environ_overrides": {"QUERY_STRING": "env=%00&repo=%00&%00=%00&url=\x00&since=\xff"}},
    {"query_string": "since=" + "9" * 10_000},
    {"query_string": "since=-1&students=%D9%A1&at=%D9%A1&lasts=%D9%A1h&env=x"},
    {"data": b"[" * 100_000, "content_type": "application/json"},
    {"data": b'{"a":' * 50_000, "content_type": "application/json"},
    {
        "data": b'{"slug": "\\ud800", "url": "\\ud800", "env": "\\ud800", "students": "1"}',
        "content_type": "application/json",
    },
    {
        "data": b'{"slug": 1e999, "url": [], "env": {}, "students": NaN}',
        "content_type": "application/json",
    },
    {"data": b"9" * 10_000, "content_type": "application/json"},
    {
        "data": b'{"ref": {"a": [1]}, "repository": [], "project": 7, "after": null}',
        "content_type": "application/json",
    },
    {"data": b"\xff\xfe\x00", "content_type": "application/json; charset=utf-16"},
    {"data": b"slug=%00&url=%ff&csrf=%ff", "content_type": "application/x-www-form-urlencoded"},
    {
        "data": b"&".join(b"f%d=1" % n for n in range(5_000)),
        "content_type": "application/x-www-form-urlencoded",
    },
    {"data": b"--x\r\n", "content_type": "multipart/form-data; boundary=x"},
    {"data": b"x" * 1000, "content_type": "multipart/form-data"},
    {"data": b"<a/>", "content_type": "text/xml"},
    {"data": b"{}", "content_type": "application/json; charset=nonsense"},
]
"""What no browser sends: too much, no text, no JSON, or another thing than is said."""


@pytest.mark.parametrize("sent", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("who", ["student", "instructor"])
def test_what_no_browser_sends_is_refused_everywhere(app, who, sent):
    client = app.test_client()
    signed = identity.sign_student(app.config["SECRET"], STUDENT)
    client.set_cookie(identity.COOKIE, signed)
    headers = {"X-CSRF-Token": client.get("/api/sessions").json["csrf"]}
    if who == "instructor":
        headers = {"Authorization": f"Bearer {app.config['INSTRUCTOR']}"}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<int:[^>]*>", "1", re.sub(r"<any\((\w+)[^>]*>", r"\1", rule.rule))
        path = re.sub(r"<[^>]*>", "a", path)
        methods = rule.methods - {"HEAD", "OPTIONS"}
        for method in methods if "data" in sent else methods & {"GET"}:
            with client.open(path, method=method, headers=headers, buffered=True, **sent) as answer:
                check(answer, re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule.rule))
