"""Links, badges and programs made for BinderHub find what they expect at its addresses."""

from __future__ import annotations

import json
import threading
import time
from types import SimpleNamespace
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from envs.build import Build
from envs.errors import BuildFailed, GitHostDown, UnknownRef
from envs.image import Image
from launcher.errors import PathNotFound
from launcher.launch import Opened
from launcher.launches import Launch, Launches
from launcher.metrics.metrics import Metrics
from launcher.progress import Phase, Progress
from launcher.session import Limits, Session
from launcher.sessions.sessions import Sessions
from launcher.web import binder, build_events, build_stream, errors, request
from launcher.web import metrics as metrics_page
from launcher.web.binder_links import BinderLinks
from launcher.web.rate import RateLimit, client_address
from link_generator import page
from link_generator.link import Link, parse_link
from tests.fakes import FakeGateway, FakeRuntime
from tests.link_generator.test_target import HOSTILE, escaped

SECRET = b"k" * 32
COMMIT = "a" * 40
SSE = {"Accept": "text/event-stream"}
SESSION = Session("ab" * 12, "student", "course", "env/r:1-2", "", 0.0, "", True)


class Scene:
    """What the launch, the git host and the store say is up to the test."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.error = None
        self.links, self.students, self.ran = [], [], []
        self.refs = {"main"}
        self.down = False
        self.ended = []

    def run(self, link, student, tell):
        self.links.append(link)
        self.students.append(student)
        tell(Progress(Phase.LINK, "Link read"))
        tell(Progress(Phase.ENVIRONMENT, "Looking up r"))
        tell(Progress(Phase.ENVIRONMENT, "Building env/r:1-2", log=True))
        self.gate.wait(120)
        if self.error:
            raise self.error
        image = Image("env/r:1-2", commit=COMMIT)
        tell(Progress(Phase.ENVIRONMENT, "Environment main is ready", image=image))
        tell(Progress(Phase.SESSION, "Starting your session"))
        return Opened(SESSION, "http://x/s/ab/lab")

    def resolve(self, _repo, ref):
        if self.down:
            raise GitHostDown("down")
        if ref not in self.refs:
            raise UnknownRef("no")

    @property
    def records(self):
        return self

    def all(self):
        return self.ended

    def unfinished(self):
        return [Build("env/r:3-4", "r", "", "", 0.0, 0.0, "running")]


class Runtime(FakeRuntime):
    def run(self, session_id, command, **kwargs):
        self.ran = list(command)
        return super().run(session_id, command, **kwargs)


@pytest.fixture
def scene():
    return Scene()


@pytest.fixture
def runtime():
    return Runtime()


@pytest.fixture
def app(scene, runtime, tmp_path, monkeypatch):
    monkeypatch.setattr(build_events, "LINGER", 0.0)
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=SECRET, PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(page.create_blueprint(public_url="http://x", catalogue={}))
    gateway, metrics, links = FakeGateway(), Metrics(scene), BinderLinks(scene)
    sessions = Sessions(
        runtime=runtime,
        gateway=gateway,
        homes=type("Homes", (), {"path": lambda *_: tmp_path})(),
        history=None,
        secret=SECRET,
        limits=Limits(1, 1.0, 1),
        start_timeout=1.0,
    )
    app.register_blueprint(binder.create_blueprint(links, runtime, gateway))
    readers = metrics_page.Readers(["127.0.0.0/8"], None, ())
    app.register_blueprint(metrics_page.create_blueprint(metrics, readers))
    stream = build_stream.BuildStream(
        links,
        Launches(metrics.measured(scene.run), errors.EXPECTED),
        sessions,
        "http://x",
        "http://sessions",
        ("10.0.0.0/8",),
        RateLimit(3),
        threading.BoundedSemaphore(1),
    )
    app.register_blueprint(build_stream.create_blueprint(stream))
    errors.register(app)
    return app


@pytest.fixture
def browser(app):
    return app.test_client()


def query_of(answer):
    assert answer.status_code == 303, answer.text
    parts = urlsplit(answer.location)
    assert (parts.netloc, parts.path) == ("", "/launch")
    return {name: values[0] for name, values in parse_qs(parts.query).items()}


def events_of(answer):
    """The events of a stream, which is always fine as HTTP."""
    assert answer.status_code == 200
    assert answer.content_type == "text/event-stream"
    frames = answer.text.split("\n\n")
    answer.close()
    assert frames.pop() == ""
    return [json.loads(frame.removeprefix("data: ")) for frame in frames if frame[0] != ":"]


def test_a_repository_is_environment_and_content(browser):
    found = query_of(browser.get("/v2/gh/o/r/v1"))
    assert found == {
        "env": "gh/o/r@v1",
        "repo": "https://github.com/o/r",
        "branch": "v1",
    }


def test_head_is_the_default_branch(browser):
    found = query_of(browser.get("/v2/gh/o/r/HEAD"))
    assert found == {"env": "gh/o/r", "repo": "https://github.com/o/r"}


@pytest.mark.parametrize(
    ("address", "env"),
    [
        ("gl/group%2Fsub%2Fr/main", "gl/group/sub/r@main"),
        ("git/https%3A%2F%2Fgit.example.org%2Fa%2Fr/main", "https://git.example.org/a/r@main"),
        ("git/https%3A%2F%2Fgit.example.org%2Fa%2Fr/main/", "https://git.example.org/a/r@main"),
        ("gh/o/r/feature/x", "gh/o/r@feature/x"),
        ("gist/o/0a1b2c", "https://gist.github.com/o/0a1b2c.git"),
    ],
)
def test_an_escaped_slash_in_a_spec_is_no_slash(browser, address, env):
    assert query_of(browser.get(f"/v2/{address}"))["env"] == env


@pytest.mark.parametrize(
    ("query", "path", "opened_in"),
    [
        ("labpath=a/b.ipynb", "a/b.ipynb", None),
        ("filepath=a%20b.ipynb", "a b.ipynb", "notebook"),
        ("urlpath=lab/tree/a.ipynb", "a.ipynb", None),
        ("urlpath=%2Fdoc%2Ftree%2Fa.ipynb", "a.ipynb", None),
        ("urlpath=tree/a.ipynb&filepath=b.ipynb&labpath=/c.ipynb/", "c.ipynb", None),
        ("urlpath=tree/a.ipynb&filepath=b.ipynb", "b.ipynb", "notebook"),
        ("urlpath=rstudio", None, "rstudio"),
    ],
)
def test_where_it_opens_in_binder_s_order(browser, query, path, opened_in):
    found = query_of(browser.get(f"/v2/gh/o/r/main?{query}"))
    assert (found.get("path"), found.get("app")) == (path, opened_in)


def test_content_that_nbgitpuller_would_fetch_comes_by_our_pull(browser):
    address = (
        "/v2/gh/o/env/v1?urlpath=git-pull%3Frepo%3Dhttps%253A%252F%252Fgithub.com%252Fo%252Fcourse"
        "%26urlpath%3Dlab%252Ftree%252Fcourse%252Fweek1.ipynb%26branch%3Ddev"
    )
    assert query_of(browser.get(address)) == {
        "env": "gh/o/env@v1",
        "repo": "https://github.com/o/course",
        "branch": "dev",
        "path": "week1.ipynb",
    }


@pytest.mark.parametrize("name", ["urlpath", "labpath", "filepath"])
@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/x",
        "//evil.example",
        r"\\evil.example",
        "/%5C%5Cevil.example",
        "%2568ttps://evil.example",
        "/%252F%252Fevil.example",
        "javascript:alert(1)",
        "../../s/other/lab",
        "lab/tree/%252e%252e/x",
        "lab%09/x",
    ],
)
def test_a_target_cannot_leave_the_session(browser, name, target):
    answer = browser.get(f"/v2/gh/o/r/main?{name}={target}")
    assert answer.status_code == 400
    assert f"The link&#39;s {name} " in answer.text
    assert "Location" not in answer.headers


@pytest.mark.parametrize("page", HOSTILE)
@pytest.mark.parametrize("times", [0, 1, 3])
def test_no_page_of_a_link_leads_away_inside_a_pull_either(browser, page, times):
    """What is not refused is a page below the session's own address, without a token."""
    inner = f"repo=https://github.com/o/r&urlpath={quote(escaped(page, times), safe='')}"
    for query in (f"urlpath={quote(f'git-pull?{inner}', safe='')}", f"urlpath=git-pull?{inner}"):
        answer = browser.get(f"/v2/gh/o/env/v1?{query}")
        if answer.status_code != 400:
            link, _ = parse_link(f"?{urlencode(query_of(answer))}")
            assert link.urlpath not in (page, escaped(page, times))
            opened = urlsplit(urljoin("http://x/s/ab12/", link.target("r")))
            assert (opened.netloc, opened.path[:8]) == ("x", "/s/ab12/")
            assert "token" not in opened.query
            assert "next" not in opened.query


def test_the_folder_of_a_pull_is_in_the_student_s_home(browser):
    pull = "git-pull?repo=https://github.com/o/r&urlpath=rstudio/&targetPath="
    found = query_of(
        browser.get(f"/v2/gh/o/env/v1?urlpath={quote(f'{pull}Desktop/kurs', safe='')}")
    )
    assert found["dir"] == "Desktop/kurs"
    for hostile in ("../..", "a/../../b", ".ssh", "a/.git", "%2e%2e/x"):
        answer = browser.get(f"/v2/gh/o/env/v1?urlpath={quote(f'{pull}{hostile}', safe='')}")
        assert answer.status_code == 400, hostile
    absolute = browser.get(f"/v2/gh/o/env/v1?urlpath={quote(f'{pull}/etc', safe='')}")
    assert query_of(absolute)["dir"] == "etc", "below the home, as nbgitpuller has it"


SCRIPT = "<script>alert(1)</script>"


@pytest.mark.parametrize(
    "address",
    [
        "/v2/gh/{}/r/main",
        "/v2/gh/o/r/{}",
        "/v2/{}/o/r/main",
        "/v2/zenodo/{}",
        "/v2/git/{}/main",
        "/v2/gh/o/r/main?urlpath=//{}",
        "/v2/gh/o/r/main?urlpath=git-pull?repo={}",
        "/repo/{}/r",
        "/launch?env={}",
        "/launch?env=gh/o/r&repo={}",
        "/launch?env=gh/o/r&repo=https://h/r&dir=../{}",
        "/launch?env=gh/o/r&urlpath=//{}",
        "/launch?env=gh/o/r&{}=1&{}=2",
        "/with/{}",
        "/hub/user-redirect/git-pull?repo={}",
        "/hub/lti/launch?next={}",
        "/?env={}&repo={}&dir={}&urlpath={}",
        "/api/link?env={}",
        "/api/link/parse?url={}",
        "/build/gh/{}/r/main",
        "/nothing/{}",
    ],
)
def test_what_is_shown_of_an_address_is_never_markup(browser, address):
    hostile = quote(SCRIPT + "\"'><img src=x onerror=alert(1)>", safe="")
    answer = browser.get(
        address.replace("{}", hostile), headers={"Accept": "text/html, text/event-stream"}
    )
    kind = answer.content_type.split(";")[0]
    assert kind in ("text/html", "application/json", "text/event-stream")
    if kind == "text/html":
        assert SCRIPT not in answer.text
        assert "<img src=x" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    where = answer.headers.get("Location", "")
    assert urlsplit(where).netloc in ("", "x")
    assert "<" not in where


@pytest.mark.parametrize("archive", ["zenodo", "figshare", "dataverse", "hydroshare", "ckan"])
def test_archives_are_recognised_and_say_what_to_do(browser, archive):
    answer = browser.get(f"/v2/{archive}/10.5281/zenodo.3242074/")
    assert answer.status_code == 400
    assert "Use the git repository" in answer.text


def test_a_wrong_spec_says_what_was_probably_meant(browser):
    answer = browser.get("/v2/gh/o/r")
    assert answer.status_code == 400
    assert "gh/o/r/HEAD" in answer.text


def test_an_old_default_branch_that_is_gone_is_the_one_of_today(browser, scene):
    assert "branch" not in query_of(browser.get("/v2/gh/o/r/master"))
    assert query_of(browser.get("/v2/gh/o/r/main"))["branch"] == "main"
    scene.down = True
    assert query_of(browser.get("/v2/gh/o/r/master"))["branch"] == "master"


def test_legacy_addresses_lead_to_todays(browser):
    answer = browser.get("/repo/o/r/notebooks/a%20b.ipynb")
    assert answer.status_code == 302
    assert answer.location == "/v2/gh/o/r/master?urlpath=%2Fnotebooks%2Fa%20b.ipynb"
    assert browser.get("/repo/o/r").location == "/v2/gh/o/r/master"


def test_a_stream_tells_the_launch_in_binder_s_words_and_ends_with_the_token(
    browser, scene, runtime
):
    *steps, last = events_of(browser.get("/build/gh/o/r/main", headers=SSE))
    assert [one["phase"] for one in steps] == [
        "waiting",
        "fetching",
        "building",
        "built",
        "launching",
    ]
    assert all(one["message"].endswith("\n") for one in [*steps, last])
    assert steps[3]["imageName"] == "env/r:1-2"
    token = last.pop("token")
    assert len(token) == 64
    assert last == {
        "phase": "ready",
        "message": f"server running at http://sessions/s/{'ab' * 12}/\n",
        "url": f"http://sessions/s/{'ab' * 12}/",
        "image": "env/r:1-2",
        "repo_url": "https://github.com/o/r",
        "binder_ref_url": f"https://github.com/o/r/tree/{COMMIT}",
        "binder_launch_host": "http://x/",
        "binder_request": "v2/gh/o/r/main",
        "binder_persistent_request": f"v2/gh/o/r/{COMMIT}",
    }
    assert runtime.ran[-1] == "r", "the repository's files are where Binder has them"


def test_every_call_is_a_student_of_its_own_whatever_cookie_comes_along(browser, scene):
    events_of(browser.get("/build/gh/o/r/main", headers=SSE))
    answer = browser.get("/build/gh/o/r/main", headers=SSE)
    events_of(answer)
    assert len(set(scene.students)) == 2
    assert "Set-Cookie" not in answer.headers


def test_what_is_told_just_before_the_end_is_told_to_a_stream():
    launch = Launch(Link("r"), "student", "request")
    events = launch.events

    def events_and_then_the_end(since=0):
        found = events(since)
        if not launch.ended:
            launch.tell(Progress(Phase.SESSION, "Starting your session"))
            launch.end(error=PathNotFound("a.ipynb"))
        return found

    launch.events = events_and_then_the_end
    said = b"".join(build_events.frames(launch, ready=dict, is_gone=lambda: True))
    assert b"Starting your session" in said
    assert said.count(b"data: ") == 2


def test_a_place_in_line_is_told_in_its_own_words():
    said = "You are number 7 of 12. About 40 s; places become free as others finish."
    event = build_events.event_of(Progress(Phase.QUEUE, said))
    assert event == {"phase": "waiting", "message": f"{said}\n"}


def test_the_spec_of_a_stream_keeps_its_escapes(browser, scene):
    events_of(browser.get("/build/git/https%3A%2F%2Fgit.example.org%2Fa%2Fr/HEAD", headers=SSE))
    assert scene.links[0].repo == "https://git.example.org/a/r"


@pytest.mark.parametrize(
    ("address", "headers", "status", "word"),
    [
        ("/build/gh/o/r/main", {}, 400, "Missing Accept header: text/event-stream"),
        ("/build/gh/o/r/main?build_token=x", SSE, 403, "Invalid build token"),
        ("/build/gh/o/r/main?build_only=true", SSE, 400, "build_only"),
        ("/build/gh/o/r", SSE, 400, "gh/o/r/HEAD"),
        ("/build/xy/o/r/main", SSE, 400, "no provider"),
        ("/build/zenodo/10.5281/zenodo.3242074", SSE, 400, "git repository"),
    ],
)
def test_a_refusal_is_one_failed_event_with_all_of_its_words(
    browser, scene, address, headers, status, word
):
    (event,) = events_of(browser.get(address, headers=headers))
    assert (event["phase"], event["status_code"]) == ("failed", status)
    assert word in event["message"]
    assert scene.links == []


def test_a_launch_that_fails_says_why_and_what_to_do(browser, scene):
    scene.error = BuildFailed("requirements.txt line 1: there is no package x", hint="Remove it.")
    last = events_of(browser.get("/build/gh/o/r/main", headers=SSE))[-1]
    assert last == {
        "phase": "failed",
        "status_code": 409,
        "message": "requirements.txt line 1: there is no package x. Remove it.\n",
    }


def test_a_surprise_tells_a_stream_nothing_but_its_id(browser, scene, caplog):
    scene.error = RuntimeError("secret path /x/y")
    answer = browser.get("/build/gh/o/r/main", headers={**SSE, "X-Request-Id": "abcdef123456"})
    last = events_of(answer)[-1]
    assert last["status_code"] == 500
    assert "abcdef123456" in last["message"]
    assert "secret" not in answer.text


def test_silence_is_filled_with_comments(browser, scene, monkeypatch):
    monkeypatch.setattr(build_events, "LOOK", 0.01)
    monkeypatch.setattr(build_events, "KEEPALIVE", 0.02)
    scene.gate.clear()
    answer = browser.get("/build/gh/o/r/main", headers=SSE, buffered=False)
    chunks = answer.iter_encoded()
    while next(chunks) != b":keepalive\n\n":
        pass
    scene.gate.set()
    assert b'"ready"' in b"".join(chunks)
    answer.close()


def test_no_more_streams_than_places_and_a_client_that_left_gives_its_one_back(
    app, scene, monkeypatch
):
    monkeypatch.setattr(build_events, "LOOK", 0.01)
    scene.gate.clear()
    gone = threading.Event()
    environ = {"waitress.client_disconnected": gone.is_set}
    first = app.test_client().get(
        "/build/gh/o/r/main", headers=SSE, buffered=False, environ_overrides=environ
    )
    chunks = first.iter_encoded()
    next(chunks)
    (event,) = events_of(app.test_client().get("/build/gh/o/r/main", headers=SSE))
    assert (event["phase"], event["status_code"]) == ("failed", 503)
    assert "Try again" in event["message"]
    gone.set()
    assert b"ready" not in b"".join(chunks)
    first.close()
    scene.gate.set()
    assert events_of(app.test_client().get("/build/gh/o/r/main", headers=SSE))[-1]["phase"] == (
        "ready"
    )


def test_who_only_looks_at_an_address_starts_nothing_and_is_not_counted(browser, scene):
    for _ in range(5):
        answer = browser.head("/build/gh/o/r/main", headers=SSE)
        assert (answer.status_code, answer.content_type) == (200, "text/event-stream")
    assert scene.links == []
    assert events_of(browser.get("/build/gh/o/r/main", headers=SSE))[-1]["phase"] == "ready"


def test_a_launch_that_gets_no_thread_ends_and_keeps_no_place(app, monkeypatch):
    """There is one place."""
    start = threading.Thread.start

    def broken(thread):
        if thread.name.startswith("launch-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", broken)
        event = events_of(app.test_client().get("/build/gh/o/r/main", headers=SSE))[-1]
    assert event["phase"] == "failed"
    assert "too much to do" in event["message"]
    event = events_of(app.test_client().get("/build/gh/o/r/main", headers=SSE))[-1]
    assert event["phase"] == "ready"


def test_a_surprise_before_the_stream_keeps_no_place(app, monkeypatch):
    def broken():
        raise OSError("no random numbers")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    with monkeypatch.context() as patch:
        patch.setattr(build_stream, "new_guest", broken)
        assert app.test_client().get("/build/gh/o/r/main", headers=SSE).status_code == 500
    event = events_of(app.test_client().get("/build/gh/o/r/main", headers=SSE))[-1]
    assert event["phase"] == "ready"


def test_an_address_may_start_so_many_and_others_go_on(browser):
    ask = {**SSE, "X-Forwarded-For": "192.0.2.1, 10.0.0.1"}
    for left in (2, 1, 0):
        answer = browser.get("/build/gh/o/r/main", headers=ask)
        assert events_of(answer)[-1]["phase"] == "ready"
        assert answer.headers["x-ratelimit-remaining"] == str(left)
    answer = browser.get("/build/gh/o/r/main", headers=ask)
    (event,) = events_of(answer)
    assert event["status_code"] == 429
    assert "Try again in" in event["message"]
    assert int(answer.headers["x-ratelimit-reset"]) > time.time()
    other = {**SSE, "X-Forwarded-For": "192.0.2.1, 192.0.2.2, 10.0.0.1"}
    assert events_of(browser.get("/build/gh/o/r/main", headers=other))[-1]["phase"] == "ready"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1, 10.1.2.3", "192.0.2.1"),
        ("6.6.6.6, 192.0.2.1", "192.0.2.1"),
        ("2001:db8::1:2", "2001:db8::/64"),
        ("nonsense, 10.1.2.3", "10.1.2.3"),
        ("", ""),
    ],
)
def test_the_address_that_counts_cannot_be_chosen(forwarded, address):
    assert client_address(forwarded, ["10.0.0.0/8"]) == address


def test_no_limit_counts_nothing():
    assert RateLimit(0).take("x") is None


def test_an_hour_later_an_address_begins_again(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=5.0)
    monkeypatch.setattr("launcher.web.rate.time", clock)
    limit = RateLimit(1)
    assert limit.take("x").allowed
    clock.now += 3599
    assert not limit.take("x").allowed
    clock.now += 1
    assert limit.take("x").allowed


def test_what_programs_ask_first(browser, runtime):
    assert browser.get("/versions").json["binderhub"]
    providers = browser.get("/api/repoproviders").json
    assert [one["id"] for one in providers] == ["gh", "gl", "git", "gist"]
    healthy = browser.get("/health")
    assert (healthy.status_code, healthy.json["ok"]) == (200, True)
    assert browser.head("/health").status_code == 200
    runtime.health = lambda: "The engine does not answer."
    ill = browser.get("/health")
    assert (ill.status_code, ill.json["ok"]) == (503, False)


@pytest.mark.parametrize("path", ["/badge.svg", "/badge_logo.svg", "/assets/images/badge.svg"])
def test_badges_are_drawings_that_other_sites_may_show(browser, path):
    with browser.get(path) as answer:
        assert answer.content_type.startswith("image/svg+xml")
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "max-age" in answer.headers["Cache-Control"]


def test_numbers_for_prometheus(browser, scene):
    scene.ended = [
        Build("env/r:1-2", "r", "", "", 0.0, 12.0, "built"),
        Build("env/r:1-2", "r", "", "", 0.0, 3.0, "failed"),
    ]
    events_of(browser.get("/build/gh/o/r/main", headers=SSE))
    scene.error = PathNotFound("no")
    events_of(browser.get("/build/gh/o/r/main", headers=SSE))
    told = browser.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).text
    found = {
        (sample.name, sample.labels.get("outcome"), sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(told)
        for sample in family.samples
    }
    assert found["launcher_launches_total", "success", None] == 1
    assert found["launcher_launches_total", "failure", None] == 1
    assert found["launcher_launch_seconds_count", "success", None] == 1
    assert found["launcher_launches_in_progress", None, None] == 0
    assert found["launcher_builds_total", "built", None] == 1
    assert found["launcher_build_seconds_sum", "failed", None] == 3.0
    assert found["launcher_build_seconds_bucket", "built", "10.0"] == 0
    assert found["launcher_build_seconds_bucket", "built", "+Inf"] == 1
    assert found["launcher_builds_in_progress", None, None] == 1
