"""The whole of it in a real browser: link, notebook, cell, edit, push, and the edit again."""

from __future__ import annotations

import contextlib

import pytest
from playwright.sync_api import TimeoutError

from launcher.demo.samples import GREETING
from tests.e2e.conftest import ARTEFACTS
from tests.waiting import wait_for

pytestmark = pytest.mark.browser
SETTINGS = {"pool": {"demand": "10m"}}  # as it is by default: the next one finds a session ready


def shot(page, box, name):
    page.screenshot(path=ARTEFACTS / f"{box.runtime}-{name}.png")


def make_link(page, box):
    """Fill the form as a teacher would, and copy the result."""
    page.goto(box.url)
    page.get_by_label("Git Environment Repository URL").fill(f"{box.git.url('env')}@v1")
    page.get_by_label("Git Content Repository URL").fill(box.git.url("course"))
    page.get_by_label("Branch or tag of the content").fill("main")
    page.get_by_label("File to open").fill("week1.ipynb")
    page.get_by_text("Ready to share").wait_for()
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("button", name="Copied").wait_for()
    shot(page, box, "1-generator")
    return page.locator("#url").input_value()


def open_notebook(page, link):
    """Click the link and wait until the notebook shows its cells."""
    page.goto(link, wait_until="commit")
    page.wait_for_url("**/lab/**", timeout=600_000)
    wait_until_open(page)
    page.wait_for_url("**week1.ipynb**")


def wait_until_open(page):
    """Until the notebook shows its cells, and its kernel is ready for them."""
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=120_000)
    # Not the toolbar's circle: it is idle before there is a kernel, and a narrow window hides it.
    page.locator("#jp-main-statusbar", has_text="(ipykernel) | Idle").wait_for(timeout=120_000)


def run_cell(page):
    """Run the first code cell; JupyterLab may still take the focus away while it restores."""
    output = page.locator(".jp-OutputArea-output", has_text=GREETING).first
    for _ in range(6):
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+Enter")
        with contextlib.suppress(TimeoutError):
            output.wait_for(timeout=8_000)
            return
    output.wait_for(timeout=8_000)


def edit_and_save(page, box, text):
    """Until a home has it; JupyterLab may still take the focus away while it restores."""

    def saved():
        notebooks = (box.data / "homes").glob("*/*/course/week1.ipynb")
        return any(text in one.read_text() for one in notebooks)

    for _ in range(6):
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Control+End")
        page.keyboard.insert_text(f"\n# {text}")  # no keys: outside of a cell those are commands
        page.keyboard.press("Control+s")
        with contextlib.suppress(AssertionError):
            wait_for(saved, 8)
            return
    assert saved()


def test_a_link_is_a_running_notebook_and_an_edit_is_never_lost(box, student):
    teacher = student.new_page()
    link = make_link(teacher, box)
    context = student.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    open_notebook(page, link)
    run_cell(page)
    shot(page, box, "3-notebook")
    edit_and_save(page, box, "my own idea")
    home = next((box.data / "homes").glob("*/*/course"))
    assert "my own idea" in (home / "week1.ipynb").read_text()
    before = box.images(), box.builds()
    first_session = page.url.split("/s/")[1].split("/")[0]

    box.content.commit({"week2.ipynb": (box.content.folder / "week1.ipynb").read_text()})
    again = context.new_page()
    open_notebook(again, link)
    assert again.url.split("/s/")[1].split("/")[0] == first_session, "the same session"
    assert (home / "week2.ipynb").exists(), "the push has arrived"
    assert "my own idea" in (home / "week1.ipynb").read_text(), "the edit is there"
    again.locator(".cm-content", has_text="my own idea").first.wait_for(timeout=120_000)
    shot(again, box, "5-after-push")
    assert (box.images(), box.builds()) == before, "a push to content builds nothing"


def test_the_waiting_page_shows_real_steps_and_the_build(box, student):
    script = "for i in 1 2 3 4 5; do echo step $i; sleep 1; done\n"
    box.env.commit({"postBuild": f"#!/bin/bash\n# {box.git.port}\n{script}"})
    box.env.git("tag", "slow")
    page = student.new_context().new_page()
    page.goto(box.link(env=f"{box.git.url('env')}@slow"))
    page.get_by_role("heading", name="Opening week1.ipynb").wait_for()
    page.locator("#log", has_text="Used: requirements.txt").wait_for(timeout=300_000)
    assert page.locator("#steps li.done").count() >= 1
    assert page.locator("#steps li.active").count() == 1
    shot(page, box, "2-waiting")
    page.wait_for_url("**/lab/**", timeout=600_000)


def test_a_student_reads_what_an_update_did_and_can_undo_it(box, student):
    box.content.commit({"notes.txt": "one\ntwo\nthree\n"})
    context = student.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    open_notebook(page, box.link())
    session = page.url.split("/s/")[1].split("/")[0]
    home = box.data / "homes" / box.owner(session)
    (notes,) = home.glob("*/course/notes.txt")
    notes.write_text("one\nmine\nthree\n")

    box.content.commit({"notes.txt": "one\ntheirs\nthree\n"})
    page.goto(box.link())
    page.get_by_role("heading", name="What the update did").wait_for(timeout=180_000)
    assert "Your notes.txt was kept" in page.locator("#receipt").inner_text()
    assert page.locator("h1").inner_text() == "Ready: week1.ipynb"
    assert not page.locator("#close").is_visible()
    shot(page, box, "10-receipt")
    page.get_by_role("link", name="Open now").click()
    page.wait_for_url("**/lab/**", timeout=180_000)

    box.content.commit({"notes.txt": "zero\none\ntheirs\nthree\n"})
    page.goto(f"{box.url}/sessions")
    page.get_by_role("button", name="Update from teacher").click()
    page.get_by_text("Your changes merged into notes.txt").first.wait_for(timeout=180_000)
    assert notes.read_text() == "zero\none\nmine\nthree\n"
    shot(page, box, "11-sessions")
    page.get_by_role("link", name="Undo or start over").click()
    shot(page, box, "12-snapshots")
    page.get_by_role("link", name="Look").first.click()
    page.get_by_role("link", name="notes.txt").click()
    page.get_by_text("-zero").wait_for()
    shot(page, box, "13-snapshot")
    page.set_viewport_size({"width": 320, "height": 700})
    for address in (page.url, f"{box.url}/sessions/{session}/snapshots", f"{box.url}/sessions"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
    page.go_back()
    page.go_back()
    page.get_by_role("button", name="In place").first.click()
    page.get_by_text("notes.txt is back").wait_for()
    assert notes.read_text() == "one\nmine\nthree\n"
    page.get_by_label("Start this file over").fill("notes.txt")
    page.get_by_role("button", name="Start over").click()
    page.get_by_text("yours is now").wait_for()
    assert notes.read_text() == "zero\none\ntheirs\nthree\n"
    assert any("mine" in path.read_text() for path in notes.parent.glob("notes (yours*"))


def test_another_student_cannot_enter(box, student):
    page = student.new_context().new_page()
    session = box.cli("session", "list")[0]["id"]
    page.goto(f"{box.url}/s/{session}/lab")
    page.get_by_role("heading", name="This is not your session").wait_for()
    width = page.evaluate("getComputedStyle(document.body).maxWidth")
    assert width == "592px", "the page's policy lets its own style through"
    shot(page, box, "6-foreign")


def test_a_stopped_session_comes_back_with_its_work(box, student):
    context = student.new_context()
    page = context.new_page()
    open_notebook(page, box.link())
    edit_and_save(page, box, "kept across a stop")
    session = page.url.split("/s/")[1].split("/")[0]
    address = page.url
    box.cli("session", "stop", session)
    page.goto(address)
    page.get_by_role("heading", name="This session has stopped").wait_for()
    shot(page, box, "8-gone")
    page.get_by_role("link", name="Bring it back").click()
    page.wait_for_url("**/lab/**", timeout=180_000)
    page.locator(".cm-content", has_text="kept across a stop").first.wait_for(timeout=180_000)


def test_a_wrong_link_says_what_to_do_and_its_id_is_in_the_log(box, student):
    page = student.new_page()
    page.goto(box.link(path="week9.ipynb"))
    page.get_by_role("heading", name="The file to open is not there").wait_for(timeout=120_000)
    page.wait_for_load_state("load")
    assert "week1.ipynb" in page.content()
    shot(page, box, "9-error")
    request_id = page.locator("#details").inner_text().split("id ")[1].strip()
    assert request_id in box.log_text()


def test_without_scripts_the_form_and_the_click_still_work(box, student):
    page = student.new_context(java_script_enabled=False).new_page()
    page.goto(box.url)
    page.get_by_label("Git Environment Repository URL").fill(f"{box.git.url('env')}@v1")
    page.get_by_label("Git Content Repository URL").fill(box.git.url("course"))
    page.get_by_role("button", name="Make the link").click()
    link = page.locator("#url").input_value()
    assert link.startswith(f"{box.url}/launch?")
    page.goto(link, wait_until="commit")
    page.wait_for_url("**/lab/**", timeout=180_000)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone(box, student, scheme):
    context = student.new_context(viewport={"width": 320, "height": 700}, color_scheme=scheme)
    page = context.new_page()
    for name, path in (
        ("generator", "/?only=week1"),
        ("sessions", "/sessions"),
        ("lost", "/nowhere"),
    ):
        page.goto(box.url + path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 320, f"{path} scrolls sideways"
        page.screenshot(path=ARTEFACTS / f"{box.runtime}-320-{scheme}-{name}.png", full_page=True)


def test_the_page_checks_a_link_before_it_is_shared(box, student):
    page = student.new_context().new_page()
    page.goto(
        f"{box.url}/?env={box.git.url('env')}@v1&repo={box.git.url('course')}&path=wek1.ipynb"
    )
    row = page.locator("#checks li.fail")
    row.wait_for()
    assert "Did you mean 'week1.ipynb'?" in row.inner_text()
    assert "will not work yet" in page.locator("#status").inner_text()
    page.get_by_label("File to open").fill("week1.ipynb")
    page.get_by_text("week1.ipynb exists").wait_for()
    assert not row.count()
    plain = student.new_context(java_script_enabled=False).new_page()
    plain.goto(page.url)
    plain.get_by_role("button", name="Check this link").click()
    assert "week1.ipynb exists" in plain.locator("#checks").inner_text()


def test_a_link_is_rehearsed_from_the_page(box, student):
    page = student.new_context().new_page()
    page.goto(box.link().replace("/launch?", "/?"))
    page.locator("#checks li").first.wait_for()
    before = set((box.data / "homes").iterdir())
    page.get_by_role("button", name="Rehearse").click()
    page.locator("#checks", has_text="Rehearsed").wait_for(timeout=300_000)
    assert "✓ Rehearsed" in page.locator("#rehearsal").inner_text()
    assert "✓ ok Rehearsed" in page.locator("#checks").inner_text()
    assert set((box.data / "homes").iterdir()) == before, "nothing of it stays"
