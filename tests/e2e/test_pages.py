"""Every page for everybody: by a screen reader, by keyboard, on a phone, in the dark."""

from __future__ import annotations

import contextlib

import pytest
from playwright.sync_api import TimeoutError

from launcher.homes.home import course_name
from launcher.people import identity
from tests.e2e.conftest import ARTEFACTS, findings
from tests.e2e.every_page import EveryPage

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = EveryPage(tmp_path_factory.mktemp("site"))
    yield made
    made.close()


def pages(site):
    """Who looks, the page's address and the beginning of its title, by a name."""
    here = f"/sessions/{site.session}"
    return {
        "running": (site.student, site.link(env="slow@v1"), "Opening"),
        "queued": (site.other, site.link(), "You are number"),
        "failed": (site.student, site.link(env="broken@v1"), "The environment could not be built"),
        "no-path": (site.student, site.link(path="week9.ipynb"), "The file to open is not there"),
        "many": (site.eager, site.link(path="x.ipynb"), "Too many launches"),
        "nowhere": (site.other, "/nowhere", "That address isn't one of ours"),
        "bad-link": (site.other, "/launch?env=%20", "This link is not complete"),
        "sessions": (site.student, "/sessions", "My sessions"),
        "no-sessions": (site.other, "/sessions", "My sessions"),
        "snapshots": (site.student, f"{here}/snapshots", "Undo or start over"),
        "snapshot": (
            site.student,
            f"{here}/snapshots/course/{site.snapshot}?path=a.txt",
            "Snapshot",
        ),
        "gone": (site.student, f"/s/{site.stopped}/lab", "Stopped"),
        "silent": (site.student, f"/s/{site.session}/lab", "No answer"),
        "disk": (site.student, f"{here}/disk", "Full"),
        "delete": (site.student, "/files/delete", "Delete all my data"),
        "builds": (site.other, "/env/", "Environments"),
        "build-good": (site.other, "/env/intro/v1", "Ready"),
        "build-failed": (site.other, "/env/broken/v1", "Failed"),
        "build-running": (site.other, "/env/slow/v1", "Building"),
        "login": (site.other, "/login", "Sign in"),
        "links": (None, "/links", "Short links"),
        "new-link": (None, "/links/new", "New short link"),
        "link": (None, "/links/week-1?check=yes", "Open"),
        "later-link": (None, "/links/week-2", "Opens later"),
        "audit": (None, "/audit", "Who did what"),
        "classes": (None, "/classes", "Classes"),
        "forecast": (None, "/classes?env=intro&students=20", "Too many"),
        "no-forecast": (None, "/classes?env=intro&students=no", "Not planned"),
        "board": (None, f"/classes/{course_name(site.git.url('course'))}", "In line"),
        "empty-board": (None, "/classes/empty-12345678", "Nobody"),
        "signed-in": (None, "/login", "Signed in"),
    }


@pytest.fixture(params=[("light", 1280), ("dark", 320)], ids=["light", "dark"])
def look(request, student, site):
    """A page's window, in the eyes of a student or, for None, of an administrator."""
    scheme, width = request.param
    windows, window_errors = {}, []

    def window(who):
        if who in windows:
            return windows[who]
        size = {"width": width, "height": 800}
        context = student.new_context(color_scheme=scheme, viewport=size, bypass_csp=True)
        page = windows[who] = context.new_page()
        page.on("pageerror", lambda error: window_errors.append(str(error)))
        if who is None:
            page.goto(f"{site.url}/login")
            page.get_by_label("Your token").fill(site.admin)
            page.get_by_role("button", name="Sign in").click()
        else:
            cookie = {"name": identity.COOKIE, "value": site.cookie(who), "url": site.url}
            context.add_cookies([cookie])
        return page

    window.name, window.width, window.errors = f"{scheme}-{width}", width, window_errors
    return window


def settle(page, title):
    """A waiting page leads on by itself, and a click returns before the next page is whole."""
    with contextlib.suppress(TimeoutError):  # then `troubles` tells the title
        page.wait_for_function("start => document.title.startsWith(start)", arg=title)
    page.wait_for_load_state("load")


def troubles(page, axe, width, title):
    """All that keeps somebody from reading the page, in words."""
    found = [f"{rule}: {place}" for rule, place in findings(page, axe)]
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > width:
        found.append(f"it is {wide} px wide")
    if page.locator("h1").count() != 1:
        found.append(f"{page.locator('h1').count()} h1")
    if not page.title().startswith(title):
        found.append(f"its title is {page.title()!r}")
    return found


def test_every_page_is_for_everybody(site, look, axe):
    found = {}
    for name, (who, path, title) in pages(site).items():
        page = look(who)
        look.errors.clear()
        page.goto(site.url + path)
        settle(page, title)
        found[name] = troubles(page, axe, look.width, title) + look.errors
        page.screenshot(path=ARTEFACTS / f"page-{name}-{look.name}.png", full_page=True)
    page = look(None)
    page.goto(f"{site.url}/links/new")
    page.locator("form").evaluate("form => form.noValidate = true")
    page.get_by_label("Its name").fill("Not this")
    page.get_by_role("button", name="Make the short link").click()
    settle(page, "Not saved")
    found["wrong-link"] = troubles(page, axe, look.width, "Not saved")
    page.screenshot(path=ARTEFACTS / f"page-wrong-link-{look.name}.png", full_page=True)
    assert {name: said for name, said in found.items() if said} == {}


def test_the_class_board_follows_who_comes(site, look):
    page, late = look(None), identity.new_student()
    page.goto(f"{site.url}/classes/{course_name(site.git.url('course'))}")
    row = page.get_by_role("row").filter(has_text=identity.code_of(site.parts.secret, late))
    assert row.count() == 0
    site.client(late).get(site.link())
    row.get_by_text("In line", exact=True).wait_for()
    assert page.title().startswith("In line")
    assert look.errors == []
