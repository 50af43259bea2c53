"""A git host in trouble: its own sentence in the checklist, on the launch's page, in /build."""

from __future__ import annotations

import json
import threading
import time
from urllib.parse import quote

import pytest
from flask import Flask

from envs.channels import Channels
from envs.git import Git
from envs.store import Store
from envs.version_cache import VersionCache
from launcher.asking import Asking
from launcher.content.mirror import Mirrors
from launcher.environment import Environments
from launcher.launch import Launcher
from launcher.launches import Launches
from launcher.links.looking import Looking
from launcher.links.preflight import Preflight
from launcher.prebuild import Prebuild
from launcher.web import build_events, build_stream, check, errors, launch, request
from launcher.web.binder_links import BinderLinks
from launcher.web.rate import RateLimit
from tests.envs.fake_builder import FileBuilder
from tests.hostile_host import ENDLESS, TROUBLES, HostileHost


@pytest.fixture(scope="module")
def hostile():
    with HostileHost() as running:
        yield running


@pytest.fixture
def browser(hostile, trouble, tmp_path, monkeypatch):
    monkeypatch.setattr(build_events, "LINGER", 0.0)
    monkeypatch.setattr(launch, "STRAIGHT_IN", 60.0)
    git = Git(("*", hostile.host), timeout=1.0 if trouble in ENDLESS else 120.0)
    (tmp_path / "images").mkdir()
    store = Store(tmp_path / "builds", FileBuilder(tmp_path / "images"), git, poll=0.01)
    versions, asking = VersionCache(git), Asking()
    channels = Channels(tmp_path / "channels.json")
    environments = Environments({}, channels, versions, store, Prebuild(lambda repo, ref: None))
    mirrors = Mirrors(tmp_path / "content", git)
    launcher = Launcher(None, environments, mirrors, None, None, asking)
    launches = Launches(launcher.launch, errors.EXPECTED)
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET=b"k" * 32, PUBLIC_URL="http://x", TESTING=True)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.register_blueprint(launch.create_blueprint(launches, lambda image: ""))
    app.register_blueprint(
        check.create_blueprint(
            Preflight(Looking(environments, mirrors, Asking(), patience=60.0)).check
        )
    )
    stream = build_stream.BuildStream(
        BinderLinks(versions, asking), launches, None, "http://x", "http://x", (), RateLimit(0),
        threading.BoundedSemaphore(9),
    )  # fmt: skip
    app.register_blueprint(build_stream.create_blueprint(stream))
    errors.register(app)
    return app.test_client()


@pytest.mark.parametrize(("trouble", "says"), TROUBLES.items())
def test_each_trouble_is_said_wherever_somebody_looks(browser, hostile, trouble, says):
    url = hostile.url(trouble)
    query = f"env={url}@v1&repo={url}&branch=main"
    began = time.monotonic()
    checks = browser.get(f"/api/check?{query}").json
    assert not checks["usable"]
    rows = {one["name"]: one for one in checks["checks"]}
    assert says in rows["environment"]["sentence"]
    assert says in next(one["sentence"] for name, one in rows.items() if name != "environment")
    page = browser.get(f"/launch?{query}")
    assert page.status_code in ((403,) if trouble == "away" else (404, 503))
    assert ("E-HOST-NOT-ALLOWED" in page.text) is (trouble == "away")
    assert says in page.text
    assert "<script>alert" not in page.text
    spec = f"git/{quote(url, safe='')}/master"
    stream = browser.get(f"/build/{spec}", headers={"Accept": "text/event-stream"})
    last = json.loads(stream.text.strip().split("\n\n")[-1].removeprefix("data: "))
    assert last["phase"] == "failed"
    assert says in last["message"]
    assert time.monotonic() - began < 60
