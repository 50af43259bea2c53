"""What a student sees in the session itself: a kernel's death, a full folder, a near stop."""

from __future__ import annotations

import contextlib
import json

import docker
import pytest
import requests
import yaml
from playwright.sync_api import TimeoutError

from tests.e2e.conftest import ARTEFACTS, make_box
from tests.waiting import wait_for

pytestmark = pytest.mark.browser
EATS = "held = bytearray(3_000_000_000)"


@contextlib.contextmanager
def small_box(data_root, runtime):
    """A launcher whose sessions have little of everything."""
    root = data_root / f"told-{runtime}"
    root.mkdir()
    box = make_box(root, runtime)
    settings = yaml.safe_load(box.settings.read_text())
    settings["session"] = {"memory": "400M", "disk": "40M"}
    box.settings.write_text(yaml.safe_dump(settings))
    box.content.commit({"eats.ipynb": json.dumps(notebook(EATS))})
    with box.running(log=f"told-{runtime}"):
        yield box
    box.clean()


@pytest.fixture(scope="module")
def small(data_root):
    with small_box(data_root, "docker") as box:
        yield box


@pytest.fixture(scope="module")
def small_local(data_root):
    with small_box(data_root, "local") as box:
        if (
            "Not limited"
            in {row["name"]: row for row in box.cli("doctor")}["isolation"]["sentence"]
        ):
            pytest.skip("control groups cannot be used here")
        yield box


def notebook(code):
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "outputs": [], "source": code}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": [cell | {"execution_count": None}],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def card(page, kind):
    return page.locator(f"#launcher-notices div[data-kind={kind}]")


def open_link(small, student, path="eats.ipynb", app="lab"):
    page = student.new_context(viewport={"width": 1100, "height": 800}).new_page()
    page.goto(small.link(path=path, app=app))
    page.wait_for_url("**/s/*/**", timeout=600_000)
    return page


@pytest.mark.docker
def test_a_kernel_that_needs_too_much_memory_is_not_a_silent_death(small, student):
    eat_too_much(small, student)


@pytest.mark.slow
def test_without_an_engine_it_is_told_as_well_and_the_launcher_is_well(small_local, student):
    page = eat_too_much(small_local, student)
    session = session_of(page)
    used = small_local.cli("session", "list")
    assert [row["running"] for row in used if row["id"] == session] == [True]
    assert requests.get(f"{small_local.url}/readyz", timeout=60).status_code == 200


def eat_too_much(small, student):
    """A notebook's cell takes all memory, and the page says so until that is closed."""
    page = open_link(small, student)
    page.locator("#jp-main-statusbar", has_text="(ipykernel) | Idle").wait_for(timeout=90_000)
    for _ in range(6):  # Lab may still take the focus away while it restores
        page.locator(".jp-Notebook .cm-content").first.click()
        page.keyboard.press("Control+Enter")
        with contextlib.suppress(TimeoutError):
            card(page, "memory").wait_for(timeout=180_000)
            break
    assert "400 MB of memory" in card(page, "memory").inner_text()
    page.screenshot(path=ARTEFACTS / f"told-memory-{small.runtime}.png")
    card(page, "memory").get_by_role("button", name="Close").click()
    wait_for(lambda: card(page, "memory").count() == 0, 60)
    return page


def session_of(page):
    return page.url.split("/s/")[1].split("/")[0]


def in_session(page, script, **more):
    """Run a command in the session, as a terminal of the student would."""
    with contextlib.closing(docker.from_env()) as engine:
        container = engine.containers.get(f"launcher-{session_of(page)}")
        return container.exec_run(["bash", "-c", script], user="1000:1000", **more)


@pytest.mark.docker
def test_a_folder_is_told_to_be_nearly_full_then_the_flood_is_stopped_and_it_opens_again(
    small, student
):
    page = open_link(small, student)
    in_session(page, "head -c 35M /dev/urandom > ~/big.bin")
    card(page, "disk").wait_for(timeout=180_000)
    assert "% full" in card(page, "disk").inner_text()
    page.screenshot(path=ARTEFACTS / "told-disk.png")
    # All of it at once: what the session's end cuts off may be less than big.bin has.
    with contextlib.suppress(docker.errors.APIError):  # the session may be stopped at once, too
        in_session(page, "fallocate -l 300M ~/flood.bin", detach=True)
    ended = card(page, "ended")
    ended.wait_for(timeout=180_000)
    assert "grew over 40 MB" in ended.inner_text()
    page.screenshot(path=ARTEFACTS / "told-ended.png")
    ended.get_by_role("link").click()
    page.get_by_role("link", name="What takes room").click()
    page.get_by_role("heading", name="Your folder is full").wait_for()
    assert page.locator("ol li").first.inner_text().endswith(" MB flood.bin")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=ARTEFACTS / f"disk-{scheme}.png")
    page.set_viewport_size({"width": 320, "height": 700})
    page.screenshot(path=ARTEFACTS / "disk-320.png")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": 1100, "height": 800})
    page.get_by_role("link", name="Bring the session back").click()
    page.wait_for_url("**/s/*/**", timeout=180_000)
    page.locator(".jp-Notebook").first.wait_for(timeout=180_000)
    card(page, "disk").wait_for(timeout=180_000)
    assert "is full" in card(page, "disk").inner_text()
    removed = in_session(page, "rm ~/flood.bin ~/big.bin; ls ~/course")
    assert b"eats.ipynb" in removed.output, "nothing of the course is lost"
    wait_for(lambda: card(page, "disk").count() == 0, 180)


@pytest.mark.docker
def test_a_page_that_is_not_used_can_be_kept_and_a_lost_connection_is_told(small, student):
    small.stop()
    settings = yaml.safe_load(small.settings.read_text())
    # Told when half is left; the reaper looks every 15 s then, and the page every 8 s.
    settings["session"]["idle"] = "90s"
    small.settings.write_text(yaml.safe_dump(settings))
    small.start()
    context = student.new_context(viewport={"width": 1100, "height": 800})
    page = context.new_page()
    # A page that asks nothing, as a browser that sleeps: Lab itself keeps its session in use.
    page.route("**/static/lab/**", lambda route: route.abort())
    page.route("**/static/notebook/**", lambda route: route.abort())
    page.goto(small.link(path="eats.ipynb"))
    page.wait_for_url("**/s/*/**", timeout=120_000)
    ending = card(page, "ending")
    ending.wait_for(timeout=180_000)
    assert "is not used and stops in" in ending.inner_text()
    page.screenshot(path=ARTEFACTS / "told-ending.png")
    ending.get_by_role("button", name="Keep it running").click()
    wait_for(lambda: card(page, "ending").count() == 0, 120)
    small.stop()
    card(page, "lost").wait_for(timeout=120_000)
    small.start()
    wait_for(lambda: card(page, "lost").count() == 0, 120)
