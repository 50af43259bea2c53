"""Signing in, short links and the audit log on pages: who may do what, and from where."""

from __future__ import annotations

import re
import time

import pytest
from flask import Flask

from launcher.database import Database
from launcher.links.preflight import Check
from launcher.links.short_links import ShortLinks
from launcher.people.audit import Audit
from launcher.people.identity import COOKIE, LOGIN_COOKIE
from launcher.people.people import People, Role
from launcher.web import audit as audit_page
from launcher.web import errors, go, login, request, short
from launcher.web.rate import RateLimit

URL = "http://l.org/launch?env=intro%40v1&repo=https%3A%2F%2Fh.org%2Fa%2Fb&path=x.ipynb"
OTHER = URL.replace("x.ipynb", "y.ipynb")


class Site:
    def __init__(self, folder):
        database = Database.of(folder)
        self.people, self.audit, self.links = (
            People(database),
            Audit(database),
            ShortLinks(database),
        )
        self.app = app = Flask("launcher.web", template_folder="templates", static_folder="static")
        app.config.update(SECRET=b"x" * 32, PUBLIC_URL="http://l.org", TESTING=True)
        app.extensions["people"] = self.people
        app.before_request(request.begin)
        app.after_request(request.finish)
        app.jinja_env.filters["moment"] = request.moment
        app.register_blueprint(
            login.create_blueprint(self.people, self.audit, [], RateLimit(3, window=600))
        )
        app.register_blueprint(audit_page.create_blueprint(self.audit))
        app.register_blueprint(go.create_blueprint(self.links))
        app.register_blueprint(short.create_blueprint(self.links, self.audit, self, "http://l.org"))
        errors.register(app)

    def check(self, link):
        return [Check("path", "fail", f"{link.path} is not there")]

    def browser(self, role=None, name=None):
        """A browser; of somebody who signed in, if a role is given."""
        client = self.app.test_client()
        if role:
            token = self.people.add(name or role.value, role)
            assert sign_in(client, token).status_code == 303
        return client


def secret_of(page):
    return re.search(r'name="csrf" value="(\w+)"', page.text)[1]


def sign_in(client, token, **more):
    secret = secret_of(client.get("/login"))
    return client.post("/login", data={"csrf": secret, "token": token, **more})


def make(client, slug="week-1", url=URL, **more):
    secret = secret_of(client.get("/links/new"))
    return client.post("/links", data={"csrf": secret, "slug": slug, "url": url, **more})


def change(client, slug, **fields):
    secret = secret_of(client.get("/links/new"))
    return client.post(f"/links/{slug}", data={"csrf": secret, **fields})


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_a_link_is_made_mended_and_closed_after_it_was_shared(site):
    ann, student = site.browser(Role.INSTRUCTOR), site.browser()
    assert make(ann, title="Week 1").headers["Location"] == "/links/week-1"
    assert "x.ipynb" in student.get("/go/week-1").headers["Location"]
    assert change(ann, "week-1", url=OTHER).status_code == 303
    assert "y.ipynb" in student.get("/go/week-1").headers["Location"]
    page = ann.get("/links/week-1").text
    assert "changed by instructor" in page
    assert "x.ipynb" in page, "what it meant before"
    assert change(ann, "week-1/close").status_code == 303
    assert student.get("/go/week-1").status_code == 403
    assert change(ann, "week-1/open").status_code == 303
    assert student.get("/go/week-1").status_code == 302
    whats = [one.what for one in site.audit.last()]
    assert whats == ["link opened", "link closed", "link changed", "link made", "signed in"]


def test_the_opening_time_goes_through_the_form_and_back(site):
    ann = site.browser(Role.INSTRUCTOR)
    make(ann, opens="2031-02-03T09:30", closes="2031-02-04T09:30")
    assert 'value="2031-02-03T09:30"' in ann.get("/links/week-1").text
    assert site.links.get("week-1").opens == time.mktime((2031, 2, 3, 9, 30, 0, 0, 0, -1))
    assert "Opens later" in ann.get("/links").text
    assert "the long launch link that it means stays good" in ann.get("/links").text


@pytest.mark.parametrize(
    ("wrong", "field", "said"),
    [
        ({"slug": "Not this"}, "slug", "cannot be a link&#39;s name"),
        ({"url": ""}, "url", "missing"),
        ({"url": "https://me:secret@h.org/a"}, "url", ""),
        ({"opens": "soon"}, "opens", "is not a time"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_that_was_typed_is_lost(site, wrong, field, said):
    ann = site.browser(Role.INSTRUCTOR)
    answer = make(ann, **{"title": "My title", **wrong})
    assert answer.status_code == 400
    assert f'href="#{field}"' in answer.text
    assert said in answer.text
    assert 'value="My title"' in answer.text
    assert site.links.all() == []


def test_a_name_that_is_taken_is_not_taken_over(site):
    make(site.browser(Role.INSTRUCTOR, "ann"))
    bob = site.browser(Role.INSTRUCTOR, "bob")
    assert "is the name of another link" in make(bob, url=OTHER).text
    assert "x.ipynb" in site.links.get("week-1").link


def test_instructors_change_their_own_links_and_administrators_all(site):
    make(site.browser(Role.INSTRUCTOR, "ann"))
    bob, admin = site.browser(Role.INSTRUCTOR, "bob"), site.browser(Role.ADMIN)
    for path in ("week-1", "week-1/close"):
        assert change(bob, path, url=OTHER).status_code == 403
    for path in ("/links/week-1", "/links/week-1/qr.svg", "/links/week-1?check=yes"):
        assert bob.get(path).status_code == 403
    assert "week-1" not in bob.get("/links").text
    assert "week-1" in admin.get("/links").text
    assert change(admin, "week-1", url=OTHER).status_code == 303
    site.people.remove("ann")
    assert change(admin, "week-1", url=URL).status_code == 303


def test_a_link_is_checked_on_its_page(site):
    ann = site.browser(Role.INSTRUCTOR)
    make(ann)
    assert "x.ipynb is not there" in ann.get("/links/week-1?check=yes").text


def test_students_are_led_to_the_sign_in_and_back(site):
    student = site.browser()
    answer = student.get("/links/new?url=http%3A%2F%2Fa%2Fb")
    assert answer.status_code == 303
    page = student.get(answer.headers["Location"])
    where = re.search(r'name="next" value="([^"]+)"', page.text)[1]
    token = site.people.add("ann", Role.INSTRUCTOR)
    assert sign_in(student, token, next=where).headers["Location"] == where
    assert where == "/links/new?url=http%3A%2F%2Fa%2Fb"
    assert site.browser().post("/links", data={}).status_code == 403
    assert site.browser().get("/api/links").status_code == 401
    assert site.browser().get("/audit").status_code == 303


@pytest.mark.parametrize("where", ["//evil.org", "/\\evil.org", "https://evil.org", "/a b", "/\n"])
def test_a_sign_in_leads_nowhere_else(site, where):
    token = site.people.add("ann", Role.INSTRUCTOR)
    assert sign_in(site.browser(), token, next=where).headers["Location"] == "/links"


def test_the_audit_log_is_for_administrators(site):
    assert site.browser(Role.INSTRUCTOR).get("/audit").status_code == 403
    assert "signed in" in site.browser(Role.ADMIN).get("/audit").text


def test_wrong_tokens_are_counted_and_right_ones_are_not(site):
    client, token = site.browser(), site.people.add("ann", Role.INSTRUCTOR)
    for _ in range(5):
        assert sign_in(site.browser(), token).status_code == 303
    for _ in range(3):
        assert sign_in(client, "launcher_guess").status_code == 403
    answer = sign_in(client, "launcher_guess")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 500
    assert sign_in(site.browser(), token).status_code == 303, "a teacher behind the same address"


def test_forms_of_other_sites_change_nothing(site):
    ann = site.browser(Role.INSTRUCTOR)
    make(ann)
    foreign = secret_of(site.browser().get("/login"))
    for secret in ("", foreign, "x"):
        for path in ("/links", "/links/week-1", "/links/week-1/close", "/logout", "/login"):
            answer = ann.post(path, data={"csrf": secret, "slug": "b", "url": OTHER})
            assert answer.status_code == 403, path
    assert [one.slug for one in site.links.all()] == ["week-1"]
    assert site.links.get("week-1").enabled


def test_a_forged_or_ended_sign_in_counts_for_nothing(site):
    ann = site.browser(Role.INSTRUCTOR, "ann")
    cookie = ann.get_cookie(LOGIN_COOKIE)
    assert cookie.http_only
    assert cookie.same_site == "Lax"
    forged = site.browser()
    rest, tenth, end = cookie.value[:-10], cookie.value[-10], cookie.value[-9:]
    other = "B" if tenth == "A" else "A"  # the last one's last bits mean nothing
    forged.set_cookie(LOGIN_COOKIE, rest + other + end)
    assert forged.get("/links").status_code == 303
    forged.set_cookie(LOGIN_COOKIE, ann.get_cookie(COOKIE).value)
    assert forged.get("/links").status_code == 303
    stolen = site.browser()
    stolen.set_cookie(LOGIN_COOKIE, cookie.value)
    assert stolen.get("/links").status_code == 200
    site.people.renew("ann")
    assert stolen.get("/links").status_code == 303


def test_a_notebook_s_script_cannot_act_for_who_signed_in(site):
    """It is of this origin: it may fetch every page, and send forms by a window of its own."""
    ann = site.browser(Role.INSTRUCTOR, "ann")
    make(ann)
    for path in ("/links", "/links/week-1", "/links/new"):
        for kind in ("empty", "iframe", "embed"):
            fetched = ann.get(
                path, headers={"Sec-Fetch-Dest": kind, "Sec-Fetch-Site": "same-origin"}
            )
            assert fetched.status_code == 303, path
            assert "csrf" not in fetched.text
    got = secret_of(ann.get("/login", headers={"Sec-Fetch-Dest": "empty"}))
    window = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
    script = window | {"Sec-Fetch-Dest": "empty"}
    close = "/links/week-1/close"
    assert ann.post(close, data={"csrf": got}, headers=window).status_code == 403
    assert ann.post(close, data={"csrf": got}, headers=script).status_code == 401
    assert site.links.get("week-1").enabled
    own = secret_of(ann.get("/links/week-1", headers=window))
    assert ann.post(close, data={"csrf": own}, headers=window).status_code == 303
    assert not site.links.get("week-1").enabled


def test_programs_use_a_token(site):
    token = site.people.add("ann", Role.INSTRUCTOR)
    bearer = {"Authorization": f"Bearer {token}"}
    client = site.browser()
    made = client.post("/api/links", json={"slug": "w", "url": URL}, headers=bearer)
    assert (made.status_code, made.json["url"]) == (201, "http://l.org/go/w")
    changed = client.put("/api/links/w", json={"url": OTHER}, headers=bearer)
    assert "y.ipynb" in changed.json["link"]
    body = {"url": URL, "opens": "2020-01-01T09:00+00:00", "closes": "2099-01-01T09:00+00:00"}
    timed = client.put("/api/links/w", json=body, headers=bearer).json
    kept = client.put("/api/links/w", json={"url": OTHER}, headers=bearer).json
    assert [kept[name] for name in ("opens", "closes")] == [1577869200.0, timed["closes"]]
    removed = {"url": OTHER, "opens": "", "closes": None}
    free = client.put("/api/links/w", json=removed, headers=bearer).json
    assert (free["opens"], free["closes"]) == (0.0, 0.0)
    assert client.post("/api/links/w/close", headers=bearer).json["state"] == "disabled"
    wrong = client.post("/api/links", json={"slug": "W!", "url": URL}, headers=bearer)
    assert (wrong.status_code, wrong.json["error"]["field"]) == (400, "slug")
    for body in ([], "x", None, 3):
        assert client.post("/api/links", json=body, headers=bearer).status_code == 400
    no = client.post(
        "/api/links", json={"slug": "v", "url": URL}, headers={"Authorization": "Bearer x"}
    )
    assert no.status_code == 401


def test_the_sign_in_is_only_sent_by_https_where_that_is_used(tmp_path):
    site = Site(tmp_path)
    site.app.config["PUBLIC_URL"] = "https://l.org"
    token = site.people.add("ann", Role.INSTRUCTOR)
    client = site.app.test_client()
    secret = secret_of(client.get("/login", base_url="https://l.org"))
    answer = client.post("/login", data={"csrf": secret, "token": token}, base_url="https://l.org")
    cookies = [c for c in answer.headers.getlist("Set-Cookie") if LOGIN_COOKIE in c]
    assert cookies[0].startswith("__Host-")
    assert "Secure" in cookies[0]
