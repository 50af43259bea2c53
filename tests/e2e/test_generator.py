"""The generator's page in a browser: what is pasted, the tabs, without JavaScript, on a phone."""

from __future__ import annotations

import threading
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.serving import make_server

from launcher.web import request
from link_generator import page as generator

pytestmark = pytest.mark.browser

BINDER = (
    "[![Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/org/env/v1?urlpath"
    "=git-pull%3Frepo%3Dhttps%253A%252F%252Fgithub.com%252Forg%252Frepo%26urlpath%3Dtree%252Frepo"
    "%252Fa.ipynb%26branch%3Ddev)"
)
HUB = "https://hub.org/hub/user-redirect/git-pull?repo=https://github.com/org/repo&branch=dev"


@pytest.fixture(scope="module")
def site():
    """The page alone, as the launcher sends it: with the same headers."""
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=b"k" * 32)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    url = f"http://127.0.0.1:{server.port}"
    app.config["PUBLIC_URL"] = url
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(generator.create_blueprint(public_url=url, catalogue={}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


def paste(page, text):
    """Ctrl+V into the repository's field, over what is there."""
    field = page.get_by_label("Git Content Repository URL")
    field.click()
    field.select_text()
    page.evaluate(
        """text => {
            const field = document.activeElement;
            field.dispatchEvent(new ClipboardEvent("paste", {bubbles: true}));
            document.execCommand("insertText", false, text);
        }""",
        text,
    )


def fields(page):
    names = ("env", "version", "repo", "branch", "path")
    return [page.locator(f"#{name}").input_value() for name in names]


def test_a_pasted_badge_fills_the_fields_and_every_tab(student, site):
    page = student.new_context().new_page()
    page.goto(site)
    page.get_by_label("Branch or tag of the content").fill("old")
    paste(page, BINDER)
    page.get_by_text("This is a Binder link - we filled in the fields from it.").wait_for()
    assert fields(page) == ["gh/org/env", "v1", "https://github.com/org/repo", "dev", "a.ipynb"]
    assert page.get_by_role("radio", name="Notebook").is_checked()
    page.get_by_role("radio", name="Link", exact=True).focus()
    seen = []
    for _ in range(7):
        page.keyboard.press("ArrowRight")
        shown = page.locator(".panel:visible")
        assert shown.count() == 1
        seen.append(shown.get_attribute("id"))
    assert seen == [
        f"as-{name}" for name in ("badge", "button", "qr", "lms", "binder", "hub", "book")
    ]
    assert "as=book" in page.url
    assert "/with/gh/org/env@v1" in page.locator("#config-jupyterbook").input_value()
    page.keyboard.press("ArrowLeft")
    page.get_by_label("Address of your JupyterHub").fill("hub.example.org/x")
    page.get_by_label("Link for the hub").wait_for()
    hub = page.get_by_label("Link for the hub").input_value()
    assert hub.startswith("https://hub.example.org/x/hub/user-redirect/git-pull?repo=")
    page.reload()
    assert page.get_by_label("Link for the hub").input_value() == hub


def test_a_hub_s_link_fills_what_it_has_and_asks_for_the_rest(student, site):
    page = student.new_context().new_page()
    page.goto(site)
    paste(page, HUB)
    page.get_by_text("This is a JupyterHub link").wait_for()
    assert fields(page) == ["", "", "https://github.com/org/repo", "dev", ""]
    page.get_by_text("The link names no environment.").wait_for()
    page.get_by_label("Git Environment Repository URL").fill("gh/org/env@v1")
    page.get_by_text("Ready to share").wait_for()
    assert "branch=dev" in page.locator("#url").input_value()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_without_javascript_the_tabs_work_on_a_phone(student, site, scheme):
    context = student.new_context(
        java_script_enabled=False, viewport={"width": 320, "height": 700}, color_scheme=scheme
    )
    page = context.new_page()
    page.goto(f"{site}/?{urlencode({'repo': BINDER, 'as': 'badge'})}")
    assert page.locator(".panel:visible").get_attribute("id") == "as-badge"
    page.get_by_text("Hub, Canvas").click()
    page.get_by_label("Address of your JupyterHub").fill("hub.example.org")
    page.get_by_role("button", name="Make these links").click()
    canvas = page.get_by_label("Link for Canvas").input_value()
    assert canvas.startswith("https://hub.example.org/hub/lti/launch?next=")
    for box in (one.bounding_box() for one in page.locator("input, textarea, button, a").all()):
        assert box is None or box["x"] + box["width"] <= 320


def test_what_a_pasted_link_says_never_becomes_markup(student, site):
    page = student.new_context().new_page()
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.goto(site)
    paste(page, HUB + "&<img src=x onerror=alert(1)>=1&urlpath=<script>alert(2)</script>/x")
    page.get_by_text("This is a JupyterHub link").wait_for()
    page.get_by_label("Git Environment Repository URL").fill("gh/org/env@v1")
    page.get_by_text("Ready to share").wait_for()
    assert asked == []
    assert page.locator("img[src=x]").count() == 0


def test_a_link_that_is_copied_at_once_is_that_of_the_fields(student, site):
    page = student.new_context().new_page()
    page.goto(f"{site}/?env=gh/org/env@v1&repo=https://github.com/org/repo")
    page.get_by_text("Ready to share").wait_for()
    # All at once: the link is made some tenths of a second after the last change.
    said = page.get_by_role("button", name="Copy link").evaluate(
        """(button) => {
          const field = document.getElementById("path");
          field.value = "week1.ipynb";
          field.dispatchEvent(new Event("input", { bubbles: true }));
          const said = document.getElementById("status").textContent;
          button.click();
          return said;
        }"""
    )
    assert said == "Making the link …"
    page.get_by_role("button", name="Copied").wait_for()
    assert page.locator("#url").input_value().endswith("&path=week1.ipynb")
