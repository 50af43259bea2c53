"""Sessions at a host name of their own, by https, in a real browser: what runs there stays there.

Both names are of one site (`example.test`), where browsers send the launcher's cookies with what a
session's script asks for: the hardest case.
"""

from __future__ import annotations

import pytest
import yaml

from launcher.gateway import guest, tickets
from launcher.people.identity import (
    COOKIE,
    LOGIN_COOKIE,
    SECURE_COOKIE,
    read_student,
    sign_student,
)
from tests.certificates import make_certificate
from tests.e2e.conftest import make_box, run_chromium
from tests.e2e.test_click import open_notebook, run_cell, wait_until_open
from tests.git_server import Repo
from tests.waiting import wait_for

pytestmark = [pytest.mark.docker, pytest.mark.browser]
NAMES = ("class.example.test", "sessions.example.test")
IDLE = 90

ATTACK = """
async (home) => {
  const tried = {};
  const attempt = async (name, action) => {
    try { tried[name] = await action(); } catch (error) { tried[name] = error.name; }
  };
  const read = async (path) => (await fetch(home + path, { credentials: "include" })).text();
  const post = (path, fields) => fetch(home + path, {
    method: "POST", mode: "no-cors", credentials: "include", body: new URLSearchParams(fields),
  });
  let csrf = "guessed";
  await attempt("links", () => read("/links"));
  await attempt("session", async () => {
    const said = JSON.parse(await read("/api/sessions"));
    csrf = said.csrf;
    return said.sessions[0].id;
  });
  const mine = location.pathname.split("/")[2] || tried.session;
  await attempt("stop", async () => { await post(`/sessions/${mine}/stop`, { csrf }); });
  await attempt("save", async () => {
    await post("/links", { csrf, slug: "stolen", url: `${home}/launch?env=evil@v1` });
  });
  await attempt("launch", async () => { await post("/launch?env=evil@v1", {}); });
  await attempt("frame", () => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = () => {
      try { resolve(frame.contentDocument.title); } catch (error) { resolve(error.name); }
    };
    frame.src = `${home}/links`;
    document.body.append(frame);
    setTimeout(() => resolve("no answer"), 60000);
  }));
  tried.cookies = document.cookie;
  tried.isolated = home !== location.origin;
  return tried;
}
"""


@pytest.fixture(scope="module")
def two(data_root):
    """A launcher with two host names; its sessions end soon."""
    root = data_root / "two"
    root.mkdir()
    box = make_box(root, "docker")
    notebook = (box.content.folder / "week1.ipynb").read_text()
    Repo.create(box.git.root / "other", {"week1.ipynb": notebook})
    cert, key = make_certificate(root / "tls", hosts=(*NAMES, f"*.{NAMES[1]}"))
    settings = yaml.safe_load(box.settings.read_text())
    port = settings["listen"].rpartition(":")[2]
    box.there = f"https://{NAMES[1]}:{port}"
    settings |= {"public_url": f"https://{NAMES[0]}:{port}", "sessions_url": box.there}
    settings["tls"] = {"cert_file": str(cert), "key_file": str(key)}
    settings["session"] = {"idle": f"{IDLE}s"}
    box.settings.write_text(yaml.safe_dump(settings))
    with box.running(log="two"):
        box.admin = box.cli("user", "add", "ada", "--role", "admin")["token"]
        yield box
    box.clean()


@pytest.fixture(scope="module")
def chromium():
    """A browser to which both names lead to this machine."""
    with run_chromium("--host-resolver-rules=MAP *.example.test 127.0.0.1") as browser:
        yield browser


@pytest.fixture
def window(student):
    def new():
        size = {"width": 1280, "height": 900}
        context = student.new_context(viewport=size, ignore_https_errors=True)
        return context.new_page()

    return new


def session_of(page):
    return page.url.split("/s/")[1].split("/")[0]


def sign_in(page, two):
    page.goto(f"{two.url}/login")
    page.get_by_label("Your token").fill(two.admin)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/links")


def running(two):
    return [row["id"] for row in two.cli("session", "list")]


def test_a_click_ends_at_the_sessions_host_in_a_kernel_that_runs_a_cell(two, window):
    page = window()
    open_notebook(page, two.link())
    assert page.url.startswith(f"{two.there}/s/")
    assert tickets.NAME not in page.url
    told = "document.referrer + JSON.stringify(performance.getEntriesByType('navigation'))"
    assert tickets.NAME not in page.evaluate(told)
    run_cell(page)
    known = {one["name"]: one for one in page.context.cookies([page.url])}
    assert known[guest.COOKIE]["secure"]
    assert known[guest.COOKIE]["httpOnly"]
    assert SECURE_COOKIE not in known
    (own,) = [one for one in page.context.cookies([two.url]) if one["name"] == SECURE_COOKIE]
    assert own["domain"] == NAMES[0]


def test_my_sessions_a_reload_and_a_bookmark_open_it_and_a_stranger_is_told(two, window):
    page = window()
    open_notebook(page, two.link())
    bookmark, session = page.url, session_of(page)
    page.goto(f"{two.url}/sessions")
    page.get_by_role("link", name="Open", exact=True).click()
    page.wait_for_url(f"{two.there}/s/{session}/lab**")
    page.context.clear_cookies(domain=NAMES[1])
    # Lab's address is of what has the focus: the notebook, or the folder that it is in.
    here = (bookmark, bookmark.rpartition("/")[0])
    page.goto(bookmark)
    assert page.url in here
    wait_until_open(page)
    page.reload()
    assert page.url in here
    stranger = window()
    stranger.goto(bookmark)
    assert stranger.url.startswith(two.url)
    stranger.get_by_role("heading", name="This is not your session").wait_for()


def test_a_session_s_script_can_do_nothing_with_who_opened_it(two, window):
    page = window()
    sign_in(page, two)
    open_notebook(page, two.link())
    session = session_of(page)
    cookies = {one["name"] for one in page.context.cookies([two.url])}
    assert {SECURE_COOKIE, f"__Host-{LOGIN_COOKIE}"} <= cookies, "there is something to take"
    tried = page.evaluate(ATTACK, two.url)
    assert tried["isolated"]
    assert {tried[one] for one in ("links", "session")} == {"TypeError"}, tried
    assert tried["frame"] in ("SecurityError", "TypeError"), tried
    assert "launcher" not in tried["cookies"]
    assert session in running(two)
    assert two.cli("link", "saved") == []
    opened = page.evaluate(
        "home => { const other = window.open(home + '/links'); try { return other.document.title }"
        " catch (error) { return error.name } }",
        two.url,
    )
    assert opened in ("SecurityError", "TypeError", ""), opened

    secret = bytes.fromhex((two.data / "secret.key").read_text().strip())
    hers = sign_student(secret, "mallory")
    page.evaluate(f"document.cookie = '{COOKIE}={hers}; Domain=example.test; Path=/; Secure'")
    sent = {one["name"]: one["value"] for one in page.context.cookies([two.url])}
    assert sent[COOKIE] == hers, "browsers send it to both"
    victim = window()
    victim.context.add_cookies([one for one in page.context.cookies() if one["value"] == hers])
    victim.goto(f"{two.url}/sessions")
    (new,) = [one for one in victim.context.cookies([two.url]) if one["name"] == SECURE_COOKIE]
    assert read_student(secret, new["value"]) != "mallory"

    own = page.context.new_page()  # the same script, were it a page of the launcher's host
    own.goto(f"{two.url}/sessions")
    tried = own.evaluate(ATTACK, two.url)
    assert tried["session"] == session
    wait_for(lambda: session not in running(two), 120)


def test_a_page_that_is_not_used_can_be_kept_and_its_end_is_told(two, window):
    page = window()
    # A page that asks nothing, as a browser that sleeps: Lab itself keeps its session in use.
    page.route("**/static/lab/**", lambda route: route.abort())
    page.goto(two.link())
    page.wait_for_url("**/s/*/**", timeout=120_000)
    card = page.locator("#launcher-notices div[data-kind=ending]")
    card.wait_for(timeout=180_000)
    card.get_by_role("button", name="Keep it running").click()
    wait_for(lambda: card.count() == 0, 120)
    session = session_of(page)
    assert session in running(two)
    two.cli("session", "stop", session)
    ended = page.locator("#launcher-notices div[data-kind=ended]")
    ended.wait_for(timeout=120_000)
    ended.get_by_role("link").click()
    page.get_by_role("heading", name="This session has stopped").wait_for()
    assert page.url == f"{two.url}/s/{session}/lab"
    page.get_by_role("link", name="Bring it back").click()
    page.wait_for_url(f"{two.there}/s/*/lab/**", timeout=120_000)


def test_the_doctor_and_the_start_say_where_sessions_are(two):
    rows = {row["name"]: row for row in two.cli("doctor", code=None)}
    said = f"sessions have a host name of their own: {two.there}"
    assert rows["host names"]["sentence"] == said
    assert rows["host names"]["level"] == "ok"
    assert rows["WebSocket"]["ok"]
    assert said in two.log_text()


READ = """
async (url) => {
  try {
    return (await fetch(url, { credentials: "include" })).status;
  } catch (error) {
    return error.name;
  }
}
"""


def test_with_a_name_of_each_session_a_script_cannot_reach_another_of_the_same_student(two, window):
    page = window()
    open_notebook(page, two.link())
    first = page.url.partition("/lab/")[0]
    other = page.context.new_page()
    open_notebook(other, two.link(repo=two.git.url("other"), path="week1.ipynb"))
    assert other.evaluate(READ, f"{first}/api/status") == 200, "both are at one name"

    two.stop()
    settings = yaml.safe_load(two.settings.read_text())
    settings["sessions_url"] = two.there.replace("//", "//*.")
    two.settings.write_text(yaml.safe_dump(settings))
    two.start()
    page = window()
    open_notebook(page, two.link())
    run_cell(page)
    assert page.url.startswith(f"https://{session_of(page)}.{NAMES[1]}:")
    first = page.url.partition("/lab/")[0]
    other = page.context.new_page()
    open_notebook(other, two.link(repo=two.git.url("other"), path="week1.ipynb"))
    assert page.evaluate(READ, f"{first}/api/status") == 200
    assert other.evaluate(READ, f"{first}/api/status") == "TypeError"
    there = other.url.partition("/s/")[0]
    asked = f"{there}/s/{session_of(page)}/api/status"
    assert other.evaluate(READ, asked) == 403, "nor at its own name"
    rows = {row["name"]: row["sentence"] for row in two.cli("doctor", code=None)}
    assert rows["host names"].startswith("each session has a host name of its own")
