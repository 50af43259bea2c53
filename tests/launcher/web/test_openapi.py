"""The description says what the app answers: each route for programs, with what it reads."""

from __future__ import annotations

import re

import pytest
from flask import Request, g
from werkzeug.datastructures import ImmutableMultiDict

from launcher.app import create_app
from launcher.config import load_config
from launcher.people.people import Role
from launcher.web import openapi
from tests.fakes import FakeGateway

FOR_PROGRAMS = re.compile(r"/(api|v2|build|go|launch|health|healthz|readyz|metrics|versions)(/|$)")
OWN_WAY = {"/launch", "/v2/{provider}/{spec}", "/build/{asked}"}
"""These read their query as it was sent."""


class Noted(ImmutableMultiDict):
    """A query that notes which of its names a view asks for."""

    def get(self, key, default=None, type=None):
        g.read.add(key)
        return super().get(key, default, type)

    def __contains__(self, key):
        g.read.add(key)
        return super().__contains__(key)


class Noting(Request):
    parameter_storage_class = Noted


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    data = tmp_path_factory.mktemp("data")
    config = load_config(data=str(data), runtime="local", git__hosts=["git.invalid"])
    app = create_app(config, gateway=FakeGateway())
    app.request_class = Noting
    return app


@pytest.fixture
def said(app):
    return app.test_client().get("/api/openapi.json").json["paths"]


def test_every_route_for_programs_is_described_and_nothing_else(app, said):
    there = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<>]*:)?(\w+)>", r"{\1}", rule.rule)
        if FOR_PROGRAMS.match(path):
            there |= {(path, method.lower()) for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert {(path, method) for path, methods in said.items() for method in methods} == there


def named(operation, where):
    return [one["name"] for one in operation["parameters"] if one["in"] == where]


def test_what_is_in_a_path_is_described(said):
    for path, methods in said.items():
        for operation in methods.values():
            assert named(operation, "path") == openapi.names(path)
            assert operation["summary"].endswith((".", "?"))


def test_what_views_read_of_a_query_is_what_is_described(app, said):
    token = app.extensions["people"].add("ann", Role.INSTRUCTOR)
    for path, methods in said.items():
        if "get" not in methods or path in OWN_WAY:
            continue
        asked = re.sub(r"{[^}]*}", "a", path)
        with app.test_request_context(asked, headers={"Authorization": f"Bearer {token}"}):
            g.read = set()
            status = app.full_dispatch_request().status_code
            read, told = set(g.read), set(named(methods["get"], "query"))
            assert read <= told, path
            assert status in (404, 403) or read == told, path


def test_a_description_without_a_route_or_a_name_would_be_seen(said):
    assert named(said["/api/choices/files"]["get"], "query") == ["repo", "branch", "only", "q"]
    assert said["/api/links/{slug}/{what}"]["post"]["parameters"][1]["schema"]["enum"] == [
        "close",
        "open",
    ]
    assert said["/api/links"]["post"]["security"] == [{"token": []}]
    body = said["/api/links"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["slug", "url"]
