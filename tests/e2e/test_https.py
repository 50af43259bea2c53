"""A launcher with certificates of its own: students click, and links are rehearsed, by https."""

from __future__ import annotations

import pytest
import requests
import yaml

from launcher.people.identity import COOKIE, SECURE_COOKIE
from launcher.rehearsal.click import Click
from tests.certificates import make_certificate
from tests.e2e.conftest import WITHOUT_LAB, make_box


@pytest.fixture(scope="module", params=["one-name", "two-names"])
def box(request, local_root):
    root = local_root / f"https-{request.param}"
    root.mkdir()
    box = make_box(root, "local", **WITHOUT_LAB)
    cert, key = make_certificate(root / "tls", hosts=("localhost",))
    settings = yaml.safe_load(box.settings.read_text())
    settings["public_url"] = settings["public_url"].replace("http:", "https:")
    box.there = settings["public_url"]
    if request.param == "two-names":
        box.there = settings["sessions_url"] = box.there.replace("127.0.0.1", "localhost")
    box.cert = cert
    settings["tls"] = {"cert_file": str(cert), "key_file": str(key)}
    box.settings.write_text(yaml.safe_dump(settings))
    with box.running():
        yield box
    box.clean()


def apart(box):
    """The sessions' own address, where they have one."""
    return box.there if "localhost" in box.there else ""


@pytest.mark.slow
def test_a_click_by_https_ends_in_a_kernel(box):
    assert box.url.startswith("https:")
    student = Click(reached=box.url, sessions_url=apart(box))
    student.open(box.link(), print)
    assert student.run("print(40 + 2)").strip() == "42"
    cookies = {cookie.name: cookie for cookie in student.browser.cookies}
    assert cookies[SECURE_COOKIE].secure
    assert COOKIE not in cookies


@pytest.mark.slow
def test_a_rehearsal_by_https_leaves_nothing(box):
    before = set((box.data / "homes").iterdir())
    found = box.cli("link", "rehearse", box.link())
    assert (found["ok"], found["error"]) == (True, "")
    assert set((box.data / "homes").iterdir()) == before


@pytest.mark.slow
def test_a_program_is_led_to_where_sessions_are(box):
    student = Click(sessions_url=apart(box))
    student.browser.verify = str(box.cert)
    assert student.open(box.link(), print).startswith(f"{box.there}/s/")
    assert student.notebook("course/week1.ipynb")["cells"]
    asked = requests.get(f"{student.session_url}api/status", verify=box.cert, timeout=60)
    assert asked.status_code == 403, "nobody comes in without a cookie"
