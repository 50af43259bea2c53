"""The generator with what a launcher knows: choosing by keyboard, checking, on a phone, for all."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask
from playwright.sync_api import expect
from werkzeug.serving import make_server

from envs.channels import Channels
from envs.git import Git
from envs.image import Image
from envs.store import Store
from envs.version_cache import VersionCache
from launcher.asking import Asking
from launcher.content.mirror import Mirrors
from launcher.environment import Environments
from launcher.links.choices import HostChoices
from launcher.links.looking import Looking
from launcher.links.preflight import Preflight
from launcher.prebuild import Prebuild
from launcher.rehearsal.rehearsal import Rehearsal, Rehearsals
from launcher.rehearsal.rehearsing import Rehearsing
from launcher.settings.entries import CatalogueEntry
from launcher.web import check, errors, rehearse, request
from launcher.web.rate import RateLimit
from link_generator import page as generator
from tests.e2e.conftest import ARTEFACTS, findings
from tests.envs.fake_builder import FileBuilder
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for

pytestmark = pytest.mark.browser
NOTEBOOK = json.dumps({"cells": [], "metadata": {"kernelspec": {"name": "python3"}}})
LARGEST_FIRST_LOAD = 60_000


class Site:
    """The page as a launcher serves it, but for the engine: its images are files."""

    def __init__(self, root: Path) -> None:
        (root / "git").mkdir()
        self.git = GitServer(root / "git")
        env = Repo.create(self.git.root / "env", {"requirements.txt": "one\n"}, tag="2025.1")
        env.git("tag", "2025.0")
        Repo.create(self.git.root / "broken", {"requirements.txt": "broken\n"}, tag="1")
        files = {"wk1/intro.ipynb": NOTEBOOK, "wk1/data.csv": "1", "wk2/plots.ipynb": NOTEBOOK}
        Repo.create(self.git.root / "course", files).git("branch", "feature/x")
        self.git.start()
        self.looking = self._looking(root)
        self.rehearsals = Rehearsals(root / "rehearsals")
        self.may_end = threading.Event()
        app = self._app()
        self.server = make_server("127.0.0.1", 0, app, threaded=True)
        app.config["PUBLIC_URL"] = self.url
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _looking(self, root: Path) -> Looking:
        git = Git((self.git.host,), timeout=60.0)
        (root / "images").mkdir()
        builder = FileBuilder(root / "images", packages="jupyter-rsession-proxy==2.2\n")
        catalogue = {
            "intro-ds": CatalogueEntry(self.git.url("env"), "2025.1", "Intro to data science"),
            "genomics": CatalogueEntry(self.git.url("broken"), "1", "Genomics"),
        }
        store = Store(root / "builds", builder, git, poll=0.01)
        environments = Environments(
            catalogue,
            Channels(root / "channels.json"),
            VersionCache(git),
            store,
            Prebuild(lambda repo, ref: None),
        )
        name = store.ensure_image(
            environments.versions.resolve(self.git.url("env"), "2025.1"), say=lambda line: None
        ).name
        there = Image(name, size=412_000_000, labels={"launcher.env.python": "3.11"})
        builder.list_images = lambda: [there]
        broken = environments.versions.resolve(self.git.url("broken"), "1")
        with pytest.raises(Exception, match="broken"):
            store.ensure_image(broken, say=lambda line: None)
        mirrors = Mirrors(root / "content", git)
        return Looking(environments, mirrors, Asking(), patience=60.0, life=0.0)

    def _app(self) -> Flask:
        app = Flask("launcher.web", template_folder="templates", static_folder="static")
        app.config.update(SECRET=b"k" * 32)
        app.before_request(request.begin)
        app.after_request(request.finish)
        app.jinja_env.filters["moment"] = request.moment
        preflight = Preflight(self.looking, self.rehearsals)
        app.register_blueprint(
            generator.create_blueprint(
                public_url="http://127.0.0.1",
                catalogue=self.looking.environments.catalogue,
                check=preflight.check,
                choices=HostChoices(self.looking),
                form_token=request.csrf_token,
            )
        )
        app.register_blueprint(check.create_blueprint(preflight.check))
        rehearsing = Rehearsing(self.rehearse, self.rehearsals)
        app.register_blueprint(rehearse.create_blueprint(rehearsing, RateLimit(0), ()))
        errors.register(app)
        return app

    def rehearse(self, link, say):
        say("  Session started")
        self.may_end.wait(120)
        if link.path == "wk2/plots.ipynb":
            return Rehearsal(time.time(), 3.0, False, 2, "Cell 3: The cell raised NameError: df")
        return Rehearsal(time.time(), 3.0, True, 4)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def address(self, **more: str) -> str:
        """The page with a link that works."""
        fields = {"env": "intro-ds", "version": "2025.1", "repo": self.git.url("course")}
        return f"{self.url}/?{urlencode(fields | {'path': 'wk1/intro.ipynb'} | more)}"

    def close(self) -> None:
        self.may_end.set()
        self.server.shutdown()
        self.server.server_close()
        self.git.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("site"))
    yield made
    made.close()


def open_page(student, url, **more):
    page = student.new_context(**more).new_page()
    page.goto(url)
    return page


def options(page, name):
    found = page.locator(f"#{name}-options [role=option]")
    found.first.wait_for()
    return found.evaluate_all("all => all.map((one) => one.dataset.value)")


def checked(page):
    page.locator("#checks li").first.wait_for()
    return page.locator("#checks").inner_text()


def test_a_link_is_made_with_the_keyboard_alone(student, site):
    page = open_page(student, site.url)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#env").focus()
    keys = page.keyboard
    keys.press("ArrowDown")
    assert options(page, "env") == ["intro-ds", "genomics"]
    card = page.locator("#env-options [aria-selected=true]")
    assert page.locator("#env").get_attribute("aria-activedescendant") == card.get_attribute("id")
    said = " ".join(card.inner_text().split())
    assert said == "intro-ds Ready Intro to data science, 2025.1, Python 3.11, 393 MB"
    assert "Failed" in page.locator("#env-options").inner_text()
    keys.press("Enter")
    assert page.locator("#env").input_value() == "intro-ds"
    assert page.locator("#env").get_attribute("aria-expanded") == "false"
    keys.press("Tab")
    keys.press("ArrowDown")
    found = options(page, "version")
    assert found[:3] == ["stable", "2025.1", "2025.0"]
    assert len(found[-1]) == 40, "the exact commit"
    keys.press("Escape")
    assert page.locator("#version-options").is_hidden()
    keys.press("ArrowUp")
    options(page, "version")
    keys.press("Home")
    keys.press("Escape")
    keys.press("Alt+ArrowDown")
    options(page, "version")
    keys.press("ArrowDown")
    keys.press("Enter")
    assert page.locator("#version").input_value() == "stable"
    keys.press("Tab")
    keys.type(site.git.url("course"))
    keys.press("Tab")
    keys.press("ArrowDown")
    assert options(page, "branch") == ["main", "feature/x"]
    keys.press("ArrowDown")
    keys.press("Enter")
    assert page.locator("#branch").input_value() == "feature/x"
    keys.press("Tab")
    keys.insert_text("plo")
    wait_for(lambda: options(page, "path") == ["wk2/plots.ipynb"], 60)
    keys.press("ArrowDown")
    keys.press("Enter")
    ends = "end => document.getElementById('url').value.endsWith(end)"
    page.wait_for_function(ends, arg="path=wk2/plots.ipynb")
    page.get_by_text("Everything is there.").wait_for()
    link = page.locator("#url").input_value()
    assert link.endswith("&branch=feature/x&path=wk2/plots.ipynb")
    assert "env=intro-ds@stable" in link
    keys.press("Control+Enter")
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == link
    assert page.evaluate("document.activeElement.id") == "path", "focus stays"
    order = []
    for _ in range(4):
        keys.press("Tab")
        order.append(page.evaluate("document.activeElement.name || document.activeElement.tagName"))
    assert order[0] == "app"
    assert "SUMMARY" in order


def test_folders_are_chosen_too_and_what_fits_nothing_stays(student, site):
    page = open_page(student, site.address(path=""))
    page.locator("#path").click()
    assert set(options(page, "path")) >= {"wk1", "wk1/intro.ipynb", "wk1/data.csv"}
    page.get_by_role("option", name="wk1/ Folder").click()
    assert page.locator("#path").input_value() == "wk1"
    page.locator("#path").fill("nowhere/at/all")
    page.locator("#path").press("End")
    page.locator("#path").type("x")
    page.get_by_text("Nothing fits; you can type it anyway.").wait_for()
    page.keyboard.press("Enter")
    page.get_by_text("This link will not work yet", exact=False).first.wait_for()
    assert page.locator("#path").input_value() == "nowhere/at/allx"
    page.locator("#checks").get_by_text("is not in the course files").wait_for()


def test_a_page_of_a_branch_with_a_slash_fills_branch_and_file(student, site):
    page = open_page(student, f"{site.url}/?env=intro-ds")
    page.locator("#repo").focus()
    # git.example.org has no such page here: the shape is Gitea's, the host that of the tests.
    address = f"http://{site.git.host}/o/course"
    Repo.create(site.git.root / "o" / "course", {"wk1/a.ipynb": NOTEBOOK}).git("branch", "feat/y")
    page.keyboard.insert_text(f"{address}/src/branch/feat/y/wk1/a.ipynb")
    page.keyboard.press("Tab")
    page.get_by_text("Repository, branch and file were read").wait_for()
    names = ("repo", "branch", "path")
    assert [page.locator(f"#{one}").input_value() for one in names] == [
        address, "feat/y", "wk1/a.ipynb",
    ]  # fmt: skip


def test_only_the_image_s_apps_are_offered_and_why_not_the_others(student, site):
    page = open_page(student, site.address())
    page.get_by_text("Why not VS Code?").wait_for()
    assert page.get_by_role("radio", name="RStudio").is_visible()
    assert not page.get_by_role("radio", name="VS Code").is_visible()
    page.get_by_text("Why not VS Code?").click()
    assert "intro-ds 2025.1 has no VS Code." in page.locator("#why-not").inner_text()


def test_the_page_s_address_holds_everything_and_back_brings_it(student, site):
    page = open_page(student, site.address())
    page.get_by_text("More options").click()
    page.get_by_label("Pin the content's commit").check()
    page.locator("label.tab", has_text="LMS").click()
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=site.git.root / "course", capture_output=True, text=True
    ).stdout.strip()
    page.wait_for_function(
        "head => document.getElementById('lms').value.includes(head)", arg=head, timeout=60_000
    )
    assert "pin=yes" in page.url
    assert "as=lms" in page.url
    shown = page.locator("#lms").input_value()
    page.goto(f"{site.url}/rehearsals/none")
    page.go_back()
    assert page.locator("#lms").input_value() == shown
    assert page.get_by_label("Pin the content's commit").is_checked()
    page.goto(site.url)
    assert page.locator("#env").input_value() == "intro-ds", "the last environment is remembered"
    assert page.locator("#version").input_value() == "2025.1"
    assert page.locator("#status").inner_text() == "Paste an address to see your link."


@pytest.mark.parametrize(
    ("path", "word", "says"),
    [
        ("wk1/intro.ipynb", "✓ Rehearsed", "4 cells ran"),
        ("wk2/plots.ipynb", "✗ Rehearsed", "Cell 3: The cell raised NameError: df"),
    ],
)
def test_a_rehearsal_is_watched_and_its_end_is_in_the_checklist(student, site, path, word, says):
    site.may_end.clear()
    page = open_page(student, site.address(path=path))
    checked(page)
    page.get_by_role("button", name="Rehearse").click()
    page.get_by_text("Rehearsing: Session started").wait_for()
    site.may_end.set()
    page.locator("#rehearsal", has_text=word).wait_for()
    assert says in page.locator("#rehearsal").inner_text()
    page.locator("#checks", has_text=says).wait_for()
    page.reload()
    page.locator("#checks", has_text=says).wait_for()


def test_without_javascript_everything_is_chosen_checked_and_rehearsed(student, site):
    page = open_page(student, site.url, java_script_enabled=False)
    page.get_by_label("Git Environment").fill("intro-ds")
    page.get_by_label("Git Content").fill(site.git.url("course"))
    with page.expect_navigation():
        page.get_by_role("button", name="Look up").click()
    offered = {
        name: [one.get_attribute("value") for one in page.locator(f"#{name}-list option").all()]
        for name in ("env", "version", "branch", "path")
    }
    assert offered["env"] == ["intro-ds", "genomics"]
    assert offered["version"][:3] == ["stable", "2025.1", "2025.0"]
    assert offered["branch"] == ["main", "feature/x"]
    assert "wk2/plots.ipynb" in offered["path"]
    assert page.get_by_role("radio", name="RStudio").is_visible()
    page.get_by_label("File to open").fill("wk1/intro.ipynb")
    with page.expect_navigation():
        page.get_by_role("button", name="Make the link").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Check this link").click()
    assert "wk1/intro.ipynb exists" in page.locator("#checks").inner_text()
    site.may_end.clear()
    page.get_by_role("button", name="Rehearse").click()
    expect(page).to_have_title(re.compile("Rehearsing"), timeout=90_000)
    site.may_end.set()
    page.get_by_text("4 cells ran to the end").wait_for()
    with page.expect_navigation():
        page.get_by_role("link", name="Back to the link").click()
    assert "4 cells ran" in page.locator("#checks").inner_text()


def test_an_answer_for_fields_that_are_no_more_is_dropped(student, site):
    page = open_page(student, site.address())
    checked(page)
    held = []
    page.route(re.compile("/api/link/everywhere.*intro.ipynbx"), lambda route: held.append(route))
    page.locator("#path").fill("wk1/intro.ipynbx")
    wait_for(lambda: page.wait_for_timeout(50) or held, 60, 0)
    page.locator("#path").fill("wk2/plots.ipynb")
    page.get_by_text("wk2/plots.ipynb exists").wait_for()
    held[0].continue_()
    page.wait_for_timeout(500)
    assert page.locator("#url").input_value().endswith("path=wk2/plots.ipynb")
    assert "wk2/plots.ipynb exists" in page.locator("#checks").inner_text()


def test_a_slow_git_server_is_said_with_the_time_of_the_copy(student, site, monkeypatch):
    page = open_page(student, site.address())
    assert "found: main is at" in checked(page)
    monkeypatch.setattr(site.looking, "patience", 3.0)
    site.git.stop()
    try:
        with socket.create_server(("127.0.0.1", site.git.port)):
            page.reload()
            page.locator("#checks", has_text="The git server is slow; we will use").wait_for()
            said = page.locator("#checks").inner_text()
            assert re.search(r"we will use the copy from (\d{4}-\d\d-\d\d )?\d\d:\d\d", said), said
            assert page.locator("#url").is_visible()
    finally:
        site.git.start()


STATES = {
    "empty": {},
    "ready": {"as": "link"},
    "button": {"as": "button"},
    "lms": {"as": "lms"},
    "failed": {"path": "wk1/none.ipynb"},
    "incomplete": {"env": ""},
}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_nobody_is_kept_out_and_nothing_is_cut_off(student, site, axe, scheme, width):
    context = student.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True
    )
    page = context.new_page()
    for name, more in STATES.items():
        page.goto(site.url if name == "empty" else site.address(**more))
        if name not in ("empty", "incomplete"):
            checked(page)
        assert findings(page, axe) == [], name
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, name
        page.screenshot(path=ARTEFACTS / f"generator-{name}-{scheme}-{width}.png", full_page=True)
    page.goto(site.address())
    page.locator("#env").click()
    options(page, "env")
    page.keyboard.press("ArrowDown")
    page.screenshot(path=ARTEFACTS / f"generator-open-{scheme}-{width}.png")
    assert findings(page, axe) == [], "with the list open"
    page.goto(f"{site.url}/rehearsals/none")
    assert findings(page, axe) == []


def test_a_chosen_theme_wins_over_the_browser_s_and_is_kept(student, site):
    page = open_page(student, site.url, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Theme: auto").click()
    assert page.evaluate(ground) == light
    page.get_by_role("button", name="Theme: light").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Theme: dark").click()
    assert page.evaluate(ground) == light


def test_the_first_load_is_light(student, site):
    page = student.new_context().new_page()
    wire, sizes = page.context.new_cdp_session(page), []
    wire.send("Network.enable")
    wire.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(site.address(), wait_until="networkidle")
    checked(page)
    assert len(sizes) > 8, "the page, its styles, its scripts, and what those ask for"
    assert sum(sizes) < LARGEST_FIRST_LOAD, sizes
