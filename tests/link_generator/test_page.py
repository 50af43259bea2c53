"""The generator over HTTP: JSON for programs, and the page with what was pasted into it."""

import xml.etree.ElementTree as ET
from html import unescape
from types import SimpleNamespace

import pytest
import segno
from flask import Flask

from launcher.web import errors, request
from link_generator import page

BINDER = (
    "https://mybinder.org/v2/gh/org/env/v1?urlpath=git-pull%3Frepo%3Dhttps%253A%252F%252Fgithub.com"
    "%252Forg%252Frepo%26urlpath%3Dtree%252Frepo%252Fa.ipynb%26branch%3Ddev"
)
FIELDS = {"env": "gh/org/env@v1", "repo": "https://github.com/org/repo", "branch": "dev"}


def browse(catalogue, check=None):
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config["SECRET"] = b"k" * 32
    app.before_request(request.begin)
    app.register_blueprint(
        page.create_blueprint(public_url="https://me.org/l", catalogue=catalogue, check=check)
    )
    errors.register(app)
    return app.test_client()


@pytest.fixture
def browser():
    return browse({})


@pytest.mark.parametrize(
    ("place", "start"),
    [
        ({}, "https://me.org/l/launch?env=gh/org/env@v1&"),
        ({"dialect": ""}, "https://me.org/l/launch?"),
        ({"dialect": "launcher", "host": "https://o.org"}, "https://o.org/launch?"),
        ({"dialect": "binder"}, "https://mybinder.org/v2/gh/org/env/v1?urlpath=git-pull%3F"),
        ({"dialect": "binder", "host": "https://b.org/x/"}, "https://b.org/x/v2/gh/org/env/v1?"),
        ({"dialect": "jupyterhub", "host": "h.org"}, "https://h.org/hub/user-redirect/git-pull?"),
        (
            {"dialect": "jupyterhub", "host": "h.org", "server": "gpu"},
            "https://h.org/hub/user-redirect/gpu/git-pull?",
        ),
        ({"dialect": "canvas", "host": "h.org"}, "https://h.org/hub/lti/launch?next=%2Fhub%2F"),
        ({"dialect": "jupyterbook"}, "https://me.org/l/with/gh/org/env@v1/hub/user-redirect/"),
    ],
)
def test_a_link_in_a_dialect_and_back(browser, place, start):
    made = browser.get("/api/link", query_string=FIELDS | place).json
    assert made["url"].startswith(start)
    back = browser.get("/api/link/parse", query_string={"url": made["url"]}).json
    assert (back["repo"], back["branch"]) == (FIELDS["repo"], "dev")
    named = place.get("dialect") not in ("jupyterhub", "canvas")
    assert (back["env"], back["tag"]) == (("gh/org/env", "v1") if named else ("", ""))
    assert back["dialect"] == (place.get("dialect") or "launcher")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"dialect": "moodle"}, "dialect"),
        ({"dialect": "jupyterhub"}, "host"),
        ({"dialect": "jupyterhub", "host": "javascript:alert(1)"}, "host"),
        ({"dialect": "binder", "env": "intro-ds"}, "env"),
        ({"dialect": "binder", "only": "wk1"}, "only"),
        ({"dialect": "binder", "repo2": "https://h/r"}, "repo2"),
        ({"repo": "https://me:token@h/r"}, "repo"),
    ],
)
def test_an_error_has_its_field(browser, query, field):
    answer = browser.get("/api/link", query_string=FIELDS | query)
    assert answer.status_code == 400
    assert answer.json["error"]["field"] == field
    assert "url" not in answer.json


def test_a_hub_needs_no_environment(browser):
    query = {"dialect": "jupyterhub", "host": "h.org", "repo": "https://h/r"}
    assert browser.get("/api/link", query_string=query).status_code == 200


def test_jupyter_book_gets_its_configuration(browser):
    made = browser.get("/api/link", query_string=FIELDS | {"dialect": "jupyterbook"}).json
    assert 'jupyterhub_url: "https://me.org/l/with/gh/org/env@v1"' in made["config"]
    assert 'branch: "dev"' in made["config"]


def test_the_page_asks_once_for_all_that_it_shows(browser):
    made = browser.get("/api/link/everywhere", query_string={"repo": BINDER, "hub": "h.org"}).json
    assert made["read"] == "This is a Binder link - we filled in the fields from it."
    assert made["fields"]["path"] == "a.ipynb"
    assert set(made["links"]) == {"launcher", "binder", "jupyterhub", "canvas", "jupyterbook"}
    assert made["links"]["canvas"]["url"].startswith("https://h.org/hub/lti/")
    assert set(made["badges"]) == {"markdown", "html", "rst"}
    without = browser.get("/api/link/everywhere", query_string={"repo": BINDER}).json
    assert without["links"]["jupyterhub"]["error"]["field"] == "host"
    assert browser.get("/api/link/everywhere?repo=x").status_code == 400


def test_a_link_that_lacks_the_environment_fills_the_rest(browser):
    hub = "https://h.org/hub/user-redirect/git-pull?repo=https://h/r&branch=dev"
    answer = browser.get("/api/link/everywhere", query_string={"repo": hub, "pasted": "1"})
    assert (answer.status_code, answer.json["error"]["field"]) == (400, "env")
    assert (answer.json["fields"]["repo"], answer.json["fields"]["branch"]) == (
        "https://h/r",
        "dev",
    )
    page = unescape(browser.get("/", query_string={"repo": hub}).text)
    assert "This is a JupyterHub link" in page
    assert 'value="dev"' in page


@pytest.mark.parametrize(
    "env", ["gh/org/env@v1", "git@h.org:a/b", "https://h.org:8443/a/b.git@pkg@1.0", "intro-ds"]
)
def test_a_book_s_button_opens_the_launch(browser, env):
    query = FIELDS | {"env": env, "dialect": "jupyterbook", "path": "a b/ü.ipynb"}
    url = browser.get("/api/link", query_string=query).json["url"]
    answer = browser.get(url.removeprefix("https://me.org/l"))
    own = browser.get("/api/link", query_string=query | {"dialect": "launcher"}).json["url"]
    assert (answer.status_code, answer.headers["Location"]) == (302, own)


def test_the_address_of_an_environment_alone_is_the_form_with_it(browser):
    answer = browser.get("/with/gh/org/env@v1")
    assert answer.headers["Location"] == "/?env=gh%2Forg%2Fenv%40v1"
    assert browser.get("/with/gh/org/env@v1/hub/home").status_code == 404


HUB = "/hub/user-redirect/git-pull?repo=https%3A%2F%2Fh%2Fr&urlpath=tree%2Fr%2Fa+b.ipynb&branch=dev"
CANVAS = (
    "/hub/lti/launch?next=%2Fhub%2Fuser-redirect%2Fgit-pull%3Frepo%3Dhttps%253A%252F%252Fh%252Fr"
)


def test_a_hub_s_link_whose_host_was_changed_opens_in_the_only_environment():
    browser = browse({"intro-ds": None})
    own = "https://me.org/l/launch?env=intro-ds&repo=https://h/r"
    assert browser.get(HUB).headers["Location"] == f"{own}&branch=dev&path=a%20b.ipynb&app=notebook"
    assert browser.get(CANVAS).headers["Location"] == own
    assert browser.get("/hub/user-redirect/lab/tree/x").status_code == 400
    assert browser.get("/hub/user-redirect/git-pull?repo=file:///etc").status_code == 400


@pytest.mark.parametrize("catalogue", [{}, {"a": None, "b": None}])
def test_where_it_is_not_the_only_one_the_page_says_how_to_name_it(catalogue):
    for link in (HUB, CANVAS):
        answer = browse(catalogue).get(link)
        assert answer.status_code == 400
        assert "/with/gh/org/env@v1/hub/user-redirect/git-pull" in answer.text


def test_a_pasted_link_fills_the_page_without_javascript(browser):
    answer = browser.get("/", query_string={"repo": BINDER})
    text = unescape(answer.text)
    assert answer.status_code == 200
    assert "This is a Binder link - we filled in the fields from it." in text
    assert 'value="gh/org/env"' in text
    assert 'value="v1"' in text
    assert 'value="https://github.com/org/repo"' in text
    assert "https://mybinder.org/v2/gh/org/env/v1?urlpath=git-pull%3F" in text
    assert "/with/gh/org/env@v1" in text
    assert ":target: https://me.org/l/launch?" in text


def test_a_short_link_of_this_server_is_no_repository(browser):
    answer = browser.get("/", query_string=FIELDS | {"repo": "https://me.org/l/go/week-1"})
    assert answer.status_code == 400
    assert "This is a short link of this server" in answer.text
    assert 'value="https://me.org/l/go/week-1"' in answer.text


def test_what_one_dialect_cannot_say_leaves_the_others(browser):
    answer = browser.get("/", query_string=FIELDS | {"only": "wk1"})
    assert answer.status_code == 200
    assert "Binder cannot give one folder alone." in answer.text
    assert "only=wk1" in answer.text


def test_the_qr_code_is_that_of_the_link(browser):
    answer = browser.get("/api/link/qr.svg", query_string=FIELDS)
    assert answer.content_type == "image/svg+xml"
    url = browser.get("/api/link", query_string=FIELDS).json["url"]
    drawn = segno.make(url, micro=False).svg_inline(scale=4, border=4, light="#ffffff")
    assert drawn.partition("<path")[2] in answer.text
    assert ET.fromstring(answer.text).tag == "{http://www.w3.org/2000/svg}svg"
    assert browser.get("/api/link/qr.svg", query_string={"repo": "x"}).status_code == 400
    page = browser.get("/", query_string=FIELDS).text
    assert "/api/link/qr.svg?env=gh%2Forg%2Fenv%40v1" in unescape(page)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("ok", "warn"), "✓ Ready to share"),
        (("ok", "fail"), "✗ This link will not work yet"),
    ],
)
def test_without_a_script_a_link_is_ready_once_it_was_checked(states, said):
    found = [SimpleNamespace(state=state, sentence="", hint="") for state in states]
    browser = browse({}, check=lambda link: found)
    page = browser.get("/", query_string=FIELDS).text
    assert "Ready to share" not in page
    assert '<p id="status">Check it before you share it.</p>' in page
    assert "Check this link" in page
    page = browser.get("/", query_string=FIELDS | {"check": "yes"}).text
    assert f'<p id="status">{said}</p>' in page
    assert ("<title>Link not ready" in page) == ("fail" in states)
