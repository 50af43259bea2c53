"""The page of a build, as a teacher sees it: it fails, is mended, and no student notices."""

from __future__ import annotations

import hashlib
import hmac
import json
import time

import pytest
import requests
import yaml

from launcher.rehearsal.click import Click
from tests.e2e.conftest import ARTEFACTS, WITHOUT_LAB, make_box

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SECRET = "s3cret"


@pytest.fixture(scope="module")
def box(local_root):
    """A launcher whose catalogue names one environment, which a bad version was just pushed of."""
    root = local_root / "builds"
    root.mkdir()
    box = make_box(root, "local", **WITHOUT_LAB)
    (root / "secret").write_text(SECRET)
    settings = yaml.safe_load(box.settings.read_text())
    settings["environments"] |= {
        "catalogue": {"intro": {"repo": box.git.url("env"), "tag": "v1"}},
        "webhook_secret_file": str(root / "secret"),
    }
    box.settings.write_text(yaml.safe_dump(settings))
    with box.running(log="builds"):
        student_clicks(box)
        push(box, "v2", "cowsay==6.1\nnosuchpackage-xyz-123>=1\n")
        yield box
    box.clean()


def push(box, tag, requirements):
    """What a teacher does, and what the git host then sends."""
    box.env.commit({"requirements.txt": requirements})
    box.env.git("tag", tag)
    message = {"ref": f"refs/tags/{tag}", "repository": {"clone_url": box.git.url("env")}}
    body = json.dumps(message).encode()
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    answer = requests.post(
        f"{box.url}/api/hooks/environments",
        data=body,
        headers={"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"},
        timeout=30,
    )
    assert answer.json()["building"] == [{"repo": box.git.url("env"), "ref": tag}], answer.text


def open_build(page, box, tag):
    """Open the page as soon as there is something to see."""
    deadline = time.monotonic() + 180
    while page.goto(f"{box.url}/env/intro/{tag}").status != 200:
        assert time.monotonic() < deadline, box.log_text()[-3000:]
        page.wait_for_timeout(100)


def student_clicks(box):
    student = Click()
    student.open(box.link(env="intro"), lambda line: None, timeout=600)
    assert student.notebook("course/week1.ipynb")["cells"]


def shots(page, name):
    """The page in light and dark, wide and on a phone, where nothing scrolls sideways."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1120, 320):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=ARTEFACTS / f"build-{name}-{width}-{scheme}.png", full_page=True)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1120, "height": 800})


def test_a_bad_version_is_explained_and_a_mended_one_is_ready_and_no_student_notices(box, student):
    page = student.new_context(viewport={"width": 1120, "height": 800}).new_page()
    open_build(page, box, "v2")
    card = page.locator(".failure")
    card.wait_for(timeout=600_000)  # the page that follows the build comes to its end by itself
    page.wait_for_load_state("load")
    assert "requirements.txt:2" in card.inner_text()
    assert "There is no Python package called nosuchpackage-xyz-123." in card.inner_text()
    assert "Students still use v1" in card.inner_text()
    assert page.title() == "Failed – intro v2"
    shots(page, "failed")
    card.get_by_role("link", name="of the log").click()
    assert "No solution found" in page.locator(".log li:target").inner_text()
    student_clicks(box)

    push(box, "v3", "cowsay==6.0\n")
    open_build(page, box, "v3")
    page.locator(".stage").first.wait_for()
    page.screenshot(path=ARTEFACTS / "build-running.png", full_page=True)
    student_clicks(box)
    page.locator(".state", has_text="Ready").wait_for(timeout=600_000)
    page.wait_for_load_state("load")
    names = page.locator(".stage .name").all_inner_texts()
    assert names == ["Fetch", "Read config", "Base", "Python packages", "Check"]
    assert page.locator(".difference").inner_text() == "changed cowsay 6.1 → 6.0"
    shots(page, "ready")
    student_clicks(box)

    page.goto(f"{box.url}/env/")
    shots(page, "list")
    rows = page.locator("tbody tr").all_inner_texts()
    assert [row.split("\t")[1].strip() for row in rows] == ["Ready", "Failed", "Ready"]
    page.get_by_role("link", name="intro v2").click()
    page.locator(".failure").wait_for()


def test_the_keyboard_reaches_every_stage_and_a_line_s_address_opens_its_stage(box, student):
    page = student.new_context().new_page()
    page.goto(f"{box.url}/env/intro/v1")
    summary = page.locator(".stage summary").nth(1)
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details.stage").nth(1).get_attribute("open") is not None
    page.goto(f"{box.url}/env/")
    page.goto(f"{box.url}/env/intro/v1#L2")
    page.locator("#L2").wait_for(state="visible")


def test_a_failed_launch_leads_to_its_build(box, student):
    page = student.new_context().new_page()
    page.goto(box.link(env="intro@v2"))
    page.get_by_role("heading", name="The environment could not be built").wait_for(timeout=600_000)
    page.wait_for_load_state("load")
    page.screenshot(path=ARTEFACTS / "build-launch-error.png", full_page=True)
    assert "requirements.txt line 2" in page.locator(".happened").inner_text()
    page.get_by_role("link", name="Show the build").click()
    page.locator(".failure").wait_for()


def test_without_scripts_the_page_and_its_log_are_there(box, student):
    page = student.new_context(java_script_enabled=False).new_page()
    page.goto(f"{box.url}/env/intro/v2")
    assert page.locator(".failure").is_visible()
    page.get_by_role("link", name="Raw text").click()
    page.get_by_text("nosuchpackage-xyz-123").first.wait_for()
