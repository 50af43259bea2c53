"""The app against the rest of the web: nothing changes unless a page of ours asks for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

import launcher
import link_generator
from launcher import serve
from launcher.app import create_app
from launcher.config import load_config
from launcher.people import identity
from tests.fakes import FakeGateway

HERE = "http://127.0.0.1:8080"
SIGNED_OTHERWISE = {"hooks.pushed"}
"""Views that check a signature of their own."""
PARTS = [Path(one.__file__).parent for one in (launcher, link_generator)]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """Every part that `launcher serve` has, so that a view that is new is tested, too."""
    data = tmp_path_factory.mktemp("data")
    return create_app(load_config(data=str(data), runtime="local"), gateway=FakeGateway())


@pytest.fixture
def browser(app):
    return app.test_client()


def changing(app):
    """Every address that takes something else than a look, with a method for it."""
    for rule in app.url_map.iter_rules():
        address = re.sub(r"<any\((\w+)[^>]*>", r"\1", rule.rule)
        address = re.sub(r"<[^>]+>", "a", re.sub(r"<int:[^>]+>", "1", address))
        for method in rule.methods - {"GET", "HEAD", "OPTIONS"}:
            yield rule.endpoint, method, address


def test_every_change_needs_our_own_form(app):
    asked = list(changing(app))
    assert len(asked) >= 9
    for endpoint, method, address in asked:
        if endpoint in SIGNED_OTHERWISE:
            continue
        browser = app.test_client()
        other = browser.get("/api/sessions").json["csrf"]
        mine = app.test_client()
        mine.get("/api/sessions")
        for form in ({}, {"csrf": ""}, {"csrf": "é"}, {"csrf": other}):
            assert mine.open(address, method=method, data=form).status_code == 403, address
        assert (
            app.test_client().open(address, method=method, data={"csrf": other}).status_code == 403
        )


def test_only_views_that_are_known_to_check_a_signature_are_left_out(app):
    views = app.view_functions.items()
    assert {name for name, view in views if hasattr(view, "signed_otherwise")} == SIGNED_OTHERWISE


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Origin": f"{HERE}.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": HERE},
    ],
)
def test_even_with_the_token_another_site_changes_nothing(browser, sent):
    csrf = browser.get("/api/sessions").json["csrf"]
    stop = "/sessions/abababababababab/stop"
    assert browser.post(stop, data={"csrf": csrf}, headers=sent).status_code == 403
    own = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
    assert browser.post(stop, data={"csrf": csrf}, headers=own).status_code == 404
    assert browser.post(stop, headers={"X-CSRF-Token": csrf}).status_code == 404


def test_who_brings_a_token_of_a_program_does_not_act_by_a_cookie(browser):
    browser.get("/api/sessions")
    assert browser.get_cookie(identity.COOKIE)
    sent = {"Authorization": "Bearer x"}
    before = browser.get("/api/sessions").json["csrf"]
    assert browser.get("/api/sessions", headers=sent).json["csrf"] != before


@pytest.mark.parametrize("path", ["/", "/sessions", "/env/", "/nowhere", "/go/none", "/health"])
def test_every_answer_carries_the_policy(browser, path):
    headers = browser.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-store"


def test_no_page_has_a_script_or_a_style_in_itself():
    found = [file for part in PARTS for file in part.rglob("templates/*.html")]
    assert len(found) > 8
    inline = re.compile(r"<style|\bstyle=|\son\w+\s*=|javascript:|<script(?![^>]*\bsrc=)", re.I)
    for file in found:
        assert not inline.search(file.read_text("utf-8")), file


@pytest.mark.parametrize(
    "sent",
    [
        {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Dest": "document", "Sec-Purpose": "prefetch;prerender"},
    ],
)
def test_a_page_that_loads_a_link_in_passing_starts_nothing(browser, sent):
    assert browser.get("/launch?env=gh/o/e@v1", headers=sent).status_code == 403


def test_by_https_the_cookie_is_of_this_server_alone_and_the_old_one_becomes_it(app, browser):
    browser.get("/sessions")
    old = browser.get_cookie(identity.COOKIE)
    assert (old.http_only, old.same_site, old.secure) == (True, "Lax", False)
    csrf = browser.get("/api/sessions").json["csrf"]
    picture = browser.get("/badge.svg", base_url="https://localhost", buffered=True)
    assert "Set-Cookie" not in picture.headers
    browser.get("/sessions", base_url="https://localhost")
    new = browser.get_cookie(identity.SECURE_COOKIE)
    assert (new.http_only, new.same_site, new.secure, new.path) == (True, "Lax", True, "/")
    assert browser.get("/api/sessions", base_url="https://localhost").json["csrf"] == csrf
    other = identity.sign_student(app.config["SECRET"], "somebody else")
    browser.set_cookie(identity.COOKIE, other, path="/api")
    assert browser.get("/api/sessions", base_url="https://localhost").json["csrf"] == csrf


def test_where_sessions_are_at_another_host_no_cookie_counts_that_one_could_set(app, browser):
    other = identity.sign_student(app.config["SECRET"], "somebody else")
    browser.set_cookie(identity.COOKIE, other)
    theirs = browser.get("/api/sessions", base_url="https://localhost").json["csrf"]
    browser, new = app.test_client(), app.test_client()
    for one in (browser, new):
        one.set_cookie(identity.COOKIE, other)
    app.config["SESSIONS_URL"] = "https://sessions.example.org"
    try:
        mine = new.get("/api/sessions", base_url="https://localhost").json["csrf"]
        assert mine != theirs
        assert new.get("/api/sessions", base_url="https://localhost").json["csrf"] == mine
        assert browser.get("/api/sessions").json["csrf"] == theirs, "plain http has no other"
    finally:
        del app.config["SESSIONS_URL"]


@pytest.mark.parametrize("path", ["/sessions", "/api/sessions"])
def test_a_forged_cookie_is_nobody_s(app, path):
    forged = identity.sign_student(b"x" * 32, "victim")
    browser = app.test_client()
    browser.set_cookie(identity.COOKIE, forged)
    assert browser.get(path).headers["Set-Cookie"].startswith(identity.COOKIE)


@pytest.mark.slow
def test_from_outside_no_header_makes_somebody_another(tmp_path):
    """Through the real gateway: what strangers say of themselves does not count."""
    running = serve.start(load_config(data=str(tmp_path), listen="127.0.0.1:0", runtime="local"))
    try:
        url = running.url
        with requests.Session() as http:
            http.trust_env = False
            spoof = {
                "X-Forwarded-Proto": "https",
                "X-Forwarded-Host": "evil.example",
                "X-Launcher-Gateway": "x",
                "Forwarded": "proto=https;host=evil.example",
            }
            answer = http.get(f"{url}/api/sessions", headers=spoof)
            assert "Secure" not in answer.headers["Set-Cookie"]
            csrf, stop = answer.json()["csrf"], f"{url}/sessions/{'ab' * 12}/stop"
            evil = spoof | {"Origin": "https://evil.example"}
            assert http.post(stop, data={"csrf": csrf}, headers=evil).status_code == 403
            assert http.post(stop, data={"csrf": csrf}, headers={"Origin": url}).status_code == 404
        port = running._servers[0].effective_port
        for given in ("", "x", "\xe9" * 64):
            direct = requests.get(
                f"http://127.0.0.1:{port}/sessions",
                headers={"X-Launcher-Gateway": given.encode("latin-1")},
                timeout=30,
            )
            assert direct.status_code == 403
    finally:
        running.stop()
