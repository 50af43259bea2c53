"""Before a class: its environment is built once, its content is there and new."""

from types import SimpleNamespace

import pytest

from envs.errors import GitHostDown
from launcher.classes.classes import Classes
from launcher.classes.times import BEFORE, ClassTime
from launcher.database import Database
from launcher.warm.before_class import BeforeClass, image_of
from link_generator.link import Link

NOW = 1_800_000_000.0


class Place:
    """Environments and mirrors that note what is asked of them."""

    def __init__(self):
        self.built, self.begun, self.refreshed, self.cloned = False, [], [], []
        self.down = False
        self.versions = self.store = self.prebuild = self

    def of(self, link):
        return f"https://g.org/{link.env}", link.tag

    def resolve(self, repo, tag):
        if self.down:
            raise GitHostDown("down")
        return repo, tag

    def find_image(self, version):
        return SimpleNamespace(name="env/intro:1-2") if self.built else None

    def start(self, repo, tag):
        self.begun.append((repo, tag))

    def refresh(self, repo, branch):
        self.refreshed.append((repo, branch))
        return SimpleNamespace(commit="a1b2c3d4")

    def shape(self, upstream):
        return upstream

    def prepared_clone(self, upstream):
        self.cloned.append(upstream.commit)


@pytest.fixture
def place():
    return Place()


@pytest.fixture
def before(tmp_path, place):
    return BeforeClass(Classes(Database.of(tmp_path)), place, place, now=lambda: NOW)


def plan(before, starts, **more):
    return before.classes.add(ClassTime("intro@v1", 40, starts, **more), now=NOW)


def test_the_environment_is_built_a_day_before_and_not_again(before, place):
    plan(before, NOW + 90_000)
    before.round()
    assert place.begun == []
    before.now = lambda: NOW + 10_000
    before.round()
    assert place.begun == [("https://g.org/intro", "v1")]
    place.built = True
    before.round()
    assert len(place.begun) == 1


def test_the_content_is_refreshed_just_before_and_not_in_every_round(before, place, monkeypatch):
    one = plan(before, NOW + BEFORE + 100, repo="https://g.org/course", branch="main")
    before.round()
    assert place.refreshed == []
    before.now = lambda: NOW + 200
    before.round()
    before.round()
    assert place.refreshed == [("https://g.org/course", "main")]
    assert place.cloned == ["a1b2c3d4"]
    assert before.content[one].commit == "a1b2c3d4"
    before._refreshed.clear()  # a minute later
    before.round()
    assert len(place.refreshed) == 2
    before._refreshed.clear()
    before.now = lambda: one.starts + 1
    before.round()
    assert len(place.refreshed) == 2, "clicks refresh it now"
    before.now = lambda: one.ends + 1
    before.round()
    assert before.content == {}


def test_one_class_that_cannot_be_prepared_holds_no_other_up(before, place, caplog):
    plan(before, NOW + 100)
    plan(before, NOW + 200, repo="https://g.org/course")
    place.down = True
    before.round()
    before.round()
    assert caplog.text.count("preparing the class on intro@v1 failed") == 2, "once for each class"
    place.down = False
    before.round()
    assert place.refreshed


def test_a_forecast_knows_the_environment_before_it_is_built(place):
    assert image_of(place, Link("intro", "v1")).startswith("env/intro:")
