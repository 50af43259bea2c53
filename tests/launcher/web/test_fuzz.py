"""Whatever is asked of the app, it answers in its own words: never a 5xx that nobody meant."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from launcher import identity
from launcher.app import create_app, create_parts
from launcher.config import load_config
from launcher.web import openapi
from tests.fakes import FakeGateway

MEANT = {"/readyz", "/health"}
"""These say with a 503 what is the matter."""
ODD = """. .. ../../etc/passwd %2e%2e a/b //h/x http://[ http://127.0.0.1:9/x gh/o/r@v1 docker:x
docker: @ -x --upload-pack=x ü 0 -1 1e9 null {} <b> '"`$(x) lab launcher https://git.invalid/o/r"""
WORDS = st.one_of(
    st.text(max_size=40),
    st.sampled_from([*ODD.split(), "", "\x00", "\ud800", "9" * 40, "A" * 3000, "a b\r\nX: y"]),
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
FIELDS = "csrf token link path next url slug title opens closes ref after repository course"
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
    return app


def api(app):
    said = openapi.description(app)["paths"]
    return [(path, method) for path, by_method in said.items() for method in by_method]


def test_everything_for_programs_is_described(app):
    found = {path for path, _ in openapi.rules(app)}
    assert found >= set(openapi.SAID)
    said = app.test_client().get("/api/openapi.json").get_json()
    assert said["openapi"].startswith("3.")
    for path, by_method in said["paths"].items():
        for one in by_method.values():
            assert one["summary"]
            named = [row["name"] for row in one["parameters"] if row["in"] == "path"]
            assert named == openapi.names(path)


def test_a_name_that_no_file_could_have_is_not_found(app):
    assert app.test_client().get(f"/api/env/{'A' * 3000}/{'B' * 3000}").status_code == 404
    assert app.test_client().get(f"/env/{'A' * 3000}/v1").status_code == 404


def test_a_host_that_is_none_is_told_so(app):
    for path in ("/", "/api/sessions", "/nowhere"):
        answer = app.test_client().get(path, environ_overrides={"HTTP_HOST": "a..b"})
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "E-400")


def check(answer, path):
    assert answer.status_code < 500 or path in MEANT or answer.status_code == 503, answer.text
    assert "Traceback" not in answer.text
    if answer.status_code == 503 and answer.is_json and path not in MEANT:
        assert answer.get_json()["error"]["code"] != "E-INTERNAL"


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_question_to_the_api_is_an_error_of_the_server(app, data):
    path, method = data.draw(st.sampled_from(api(app)))
    (said,) = [openapi.description(app)["paths"][path][method]]
    filled = path
    for name in openapi.names(path):
        filled = filled.replace(f"{{{name}}}", data.draw(WORDS) or "x")
    wanted = [row["name"] for row in said["parameters"] if row["in"] == "query"]
    query = data.draw(st.dictionaries(st.sampled_from([*wanted, "x"]), WORDS, max_size=5))
    ask(app, data, method, filled, query, path)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
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
    if data.draw(st.booleans()):
        secret = app.config["SECRET_KEY"]
        client.set_cookie(identity.COOKIE, identity.sign_student(secret, identity.new_student()))
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


def sendable(text):
    """As a browser could send it: no lone surrogates, nothing that would end a line."""
    return text.encode("utf-8", "replace").decode()
