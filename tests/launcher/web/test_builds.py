"""The pages of builds: stages, the first error, packages, and who may see them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest
from flask import Flask

from envs.build import in_words
from envs.channels import Channels
from envs.errors import BuildFailed
from envs.git import Git
from envs.halt import NO_HALT
from envs.sizes import human
from envs.store import Store
from envs.version import resolve_version
from launcher.settings.entries import CatalogueEntry
from launcher.web import builds, errors, request
from launcher.web.shown_builds import ShownBuilds
from tests.envs.fake_builder import FileBuilder
from tests.git_server import GitServer, Repo

JSON = {"Accept": "application/json"}
UV = (
    "[1/3] FROM launcher/base:3.11",
    "[2/3] RUN uv pip install --requirements requirements.txt",
    "error: No solution found when resolving dependencies",
    "  cause: Because nosuch was not found in the package registry and you require nosuch",
)


@dataclass
class Uv(FileBuilder):
    """Fails as uv does where `nosuch` is asked for; prints what postBuild holds."""

    go: threading.Event = field(default_factory=threading.Event)

    def build(self, name, recipe, *, source, labels, say, halt=NO_HALT, cache=""):
        wanted = (source / "requirements.txt").read_text()
        for line in UV[:2] if "nosuch" not in wanted else UV:
            say(line)
        say("<script>alert(1)</script> \x1b[31mred")
        assert self.go.wait(600)
        if "nosuch" in wanted:
            raise BuildFailed("[2/3] RUN uv: exit code: 1")
        self.packages = "".join(f"{line}\n" for line in wanted.split())
        return super().build(name, recipe, source=source, labels=labels, say=say)


class Scene:
    """A git host, a store, and the pages on it."""

    def __init__(self, folder, host):
        (folder / "images").mkdir()
        self.host = host
        self.git = Git((host.host,), timeout=120)
        self.builder = Uv(folder / "images")
        self.builder.go.set()
        self.store = Store(folder / "builds", self.builder, self.git, poll=0.01)
        self.channels = Channels(folder / "channels.json")
        self.repo = Repo.create(
            host.root / "env", {"requirements.txt": "six==1\nold==1\n"}, tag="v1"
        )
        self.private: set[str] = set()

    def build(self, ref, repo="env"):
        version = resolve_version(self.host.url(repo), ref, git=self.git)
        try:
            return self.store.ensure_image(version, say=lambda line: None).name
        except BuildFailed as error:
            return error.image

    def tag(self, name, text, **more):
        self.repo.commit({"requirements.txt": text, **more})
        self.repo.git("tag", name)

    def browser(self):
        app = Flask("launcher.web", template_folder="templates", static_folder="static")
        app.config.update(SECRET=b"k" * 32, PUBLIC_URL="http://x", TESTING=True)
        app.before_request(request.begin)
        app.after_request(request.finish)
        app.jinja_env.filters.update(moment=request.moment, human=human)
        catalogue = {"intro": CatalogueEntry(self.host.url("env") + ".git", "v1")}
        shown = ShownBuilds(self.store, catalogue, self.channels, lambda repo: repo in self.private)
        app.register_blueprint(builds.create_blueprint(shown))
        errors.register(app)
        return app.test_client()


@pytest.fixture
def scene(tmp_path):
    (tmp_path / "git").mkdir()
    with GitServer(tmp_path / "git") as host:
        yield Scene(tmp_path, host)


def address(image):
    return "/" + image.replace(":", "/")


def test_a_failure_is_a_red_card_with_its_line_above_the_log(scene):
    scene.build("v1")
    scene.tag("v2", "six==1\nnosuch\n")
    scene.build("v2")
    page = scene.browser().get("/env/intro/v2").text
    card = page[page.index("failure") : page.index("Log")]
    assert "requirements.txt:2" in card
    assert "There is no Python package called nosuch." in card
    assert "Students still use <strong>v1</strong>" in card
    assert "<title>Failed – intro v2</title>" in page
    number = card.partition('href="#L')[2].partition('"')[0]
    line = page.partition(f'<li id="L{number}">')[2].partition("</li>")[0]
    assert "No solution found" in line
    assert '<details class="stage failed"' in page


def test_a_moved_tag_that_fails_names_the_commit_that_students_still_use(scene):
    good = scene.store.records.newest(scene.build("v1")).commit
    scene.repo.commit({"requirements.txt": "nosuch\n"})
    scene.repo.git("tag", "--force", "v1")
    scene.build("v1")
    page = scene.browser().get("/env/intro/v1").text
    assert f"Students still use <strong>v1 at {good[:7]}</strong>" in page


def test_what_a_build_prints_never_becomes_markup(scene):
    scene.build("v1")
    page = scene.browser().get("/env/intro/v1")
    assert "&lt;script&gt;alert(1)&lt;/script&gt; red" in page.text
    assert "<script>alert" not in page.text
    raw = scene.browser().get("/env/intro/v1?view=raw")
    assert raw.content_type == "text/plain; charset=utf-8"
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>alert(1)</script> red\n" in raw.text


def test_an_environment_is_found_by_every_name_it_has(scene):
    image = scene.build("v1")
    browser = scene.browser()
    commit = scene.store.records.newest(image).commit
    for name in ("intro/v1", "env/v1", "intro/stable", f"env/{commit}", f"env/{commit[:8]}"):
        assert image in browser.get(f"/env/{name}", headers=JSON).json["image"], name
    assert browser.get(address(image)).status_code == 200
    for name in ("intro/v9", "other/v1", "intro/next", "intro/..%2f..", "env/v1%0a"):
        assert browser.get(f"/env/{name}").status_code == 404, name
    scene.channels.offer("intro", "v1")
    assert browser.get("/env/intro/next").status_code == 200


def test_of_two_repositories_of_one_name_both_are_listed(scene):
    Repo.create(scene.host.root / "other" / "env", {"requirements.txt": "six\n"}, tag="v1")
    images = {scene.build("v1"), scene.build("v1", "other/env")}
    page = scene.browser().get("/env/env/v1")
    assert page.status_code == 200
    assert all(address(image) in page.text for image in images)


def test_the_packages_and_what_changed_since_the_version_before_are_shown(scene):
    scene.build("v1")
    scene.tag("v2", "six==2\nnew==1\n")
    scene.build("v2")
    page = " ".join(scene.browser().get("/env/intro/v2").text.split())
    assert "2 packages" in page
    assert 'Compared with <a href="/env/env/' in page
    assert "changed</span> six 1 → 2" in page
    assert "added</span> new 1" in page
    assert "removed</span> old 1" in page
    assert "Compared with" not in scene.browser().get("/env/intro/v1").text


def test_a_running_build_is_followed_with_a_cursor(scene):
    scene.builder.go.clear()
    thread = threading.Thread(target=scene.build, args=("v1",))
    thread.start()
    browser = scene.browser()
    said: dict = {}
    deadline = time.monotonic() + 60
    while "red" not in str(said) and time.monotonic() < deadline:
        answer = browser.get("/env/intro/v1", headers=JSON)
        said = answer.json if answer.status_code == 200 else {}
    page = browser.get("/env/intro/v1")
    assert 'http-equiv="refresh"' in page.text
    assert "<title>Building – intro v1</title>" in page.text
    assert [stage["name"] for stage in said["stages"]] == ["Fetch", "Read config", "Base",
                                                           "Python packages"]  # fmt: skip
    assert said["stages"][-1]["state"] == "active"
    follow = f"/api{address(said['image'])}?since={said['cursor']}"
    assert not any(stage["lines"] for stage in browser.get(follow).json["stages"])
    scene.builder.go.set()
    thread.join(120)
    later = browser.get(follow).json
    assert later["outcome"] == "built"
    assert later["cursor"] > said["cursor"]
    assert 'http-equiv="refresh"' not in browser.get("/env/intro/v1").text


def test_the_list_has_each_build_once_with_its_state(scene):
    browser = scene.browser()
    assert "No environment was built here yet" in browser.get("/env/").text
    scene.build("v1")
    scene.tag("v2", "nosuch\n")
    scene.build("v2")
    scene.build("v2")
    found = browser.get("/env/", headers=JSON).json["builds"]
    assert [(one["name"], one["tag"], one["word"]) for one in found] == [
        ("intro", "v2", "Failed"), ("intro", "v1", "Ready"),
    ]  # fmt: skip
    assert browser.get("/env").status_code == 200
    assert len(browser.get("/env/intro/", headers=JSON).json["builds"]) == 2
    assert browser.get("/env/nothing/").status_code == 404


def test_a_private_repository_s_builds_are_shown_to_nobody(scene):
    image = scene.build("v1")
    scene.private.add(scene.host.url("env"))
    browser = scene.browser()
    for path in ("/env/intro/v1", address(image), f"/api{address(image)}", "/env/env/"):
        assert browser.get(path).status_code == 404, path
    assert browser.get("/env/", headers=JSON).json["builds"] == []


def test_an_image_that_was_removed_is_said(scene):
    scene.builder.remove_image(scene.build("v1"))
    assert "The image was removed since" in scene.browser().get("/env/intro/v1").text


def test_a_very_long_log_shows_its_end_and_the_raw_text_has_all(scene, monkeypatch):
    monkeypatch.setattr(builds, "MOST_LINES", 5)
    scene.build("v1")
    page = scene.browser().get("/env/intro/v1").text
    assert page.count('<li id="L') == 5
    assert "earlier lines are in the" in page


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.42, "0.4 s"), (12.3, "12 s"), (125, "2 min 5 s"), (59.7, "1 min 0 s")]
)
def test_durations_are_in_words(seconds, words):
    assert in_words(seconds) == words
