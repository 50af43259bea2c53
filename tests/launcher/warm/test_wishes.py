"""How many warm sessions are wanted: what the catalogue says, and who will come to a class."""

import threading
from types import SimpleNamespace

import pytest

from envs.errors import GitHostDown
from launcher.warm.demand import Kind
from launcher.warm.wishes import Wishes
from tests.waiting import wait_for

INTRO, OTHER = Kind("env/intro:1-2"), Kind("env/other:1-2")


class Places:
    """Environments, some of them built."""

    def __init__(self, **warm):
        self.catalogue = {name: SimpleNamespace(warm=count) for name, count in warm.items()}
        self.images = {"intro": INTRO.image, "intro@v1": INTRO.image, "other": OTHER.image}
        self.begun = []
        self.prebuild = self
        self.answers = threading.Event()
        self.answers.set()

    def find_image(self, link):
        assert self.answers.wait(30)
        name = f"{link.env}@{link.tag}" if link.tag else link.env
        if name == "down":
            raise GitHostDown("down")
        return SimpleNamespace(name=self.images[name]) if name in self.images else None

    def of(self, link):
        return link.env, link.tag

    def start(self, repo, tag):
        self.begun.append((repo, tag))

    def egress(self, link):
        return ""


@pytest.fixture
def places():
    found = Places(intro=2, other=1)
    yield found
    found.answers.set()


def looked(wishes):
    """What is wished for after a look at all names of now."""
    wishes()
    wishes._thread.join(60)
    return wishes()


def test_a_class_wants_those_who_are_not_there_yet(places):
    coming, there = {"intro": 40}, {}
    wishes = Wishes(places, "web", lambda: coming, lambda image: there.get(image, 0))
    assert looked(wishes) == {INTRO: 40, OTHER: 1}
    there[INTRO.image] = 30
    assert wishes() == {INTRO: 10, OTHER: 1}
    there[INTRO.image] = 45
    assert wishes() == {INTRO: 2, OTHER: 1}
    coming.clear()
    assert wishes() == {INTRO: 2, OTHER: 1}


def test_a_class_comes_before_what_is_always_kept(places):
    wishes = Wishes(places, "web", lambda: {"other": 5})
    assert list(looked(wishes)) == [OTHER, INTRO]


def test_a_version_may_be_named_and_one_that_is_not_built_is(places):
    wishes = Wishes(places, "web", lambda: {"intro@v1": 7, "new@v2": 3, "down": 1})
    assert looked(wishes) == {INTRO: 7, OTHER: 1}
    assert places.begun == [("new", "v2")]


def test_a_git_host_that_hangs_keeps_nobody_waiting_who_asks_what_is_wished(places, monkeypatch):
    monkeypatch.setattr("launcher.warm.wishes.LOOK", 0.0)
    coming = {}
    wishes = Wishes(places, "web", lambda: coming)
    places.answers.clear()
    assert wishes() is None, "what runs from before may be wanted"
    places.answers.set()
    wait_for(lambda: wishes() == {INTRO: 2, OTHER: 1})
    wishes._thread.join(60)
    places.answers.clear()
    coming["intro"] = 5
    for _ in range(3):
        assert wishes() == {INTRO: 5, OTHER: 1}, "the last answers count"
    looks = [one for one in threading.enumerate() if one.name == "wishes"]
    assert len(looks) == 1
    coming["new@v2"] = 7
    places.images["new@v2"] = "env/new:2-1"
    assert wishes() == {INTRO: 5, OTHER: 1}
    places.answers.set()
    wait_for(lambda: wishes() == {INTRO: 5, Kind("env/new:2-1"): 7, OTHER: 1})


def test_who_wishes_for_nothing_is_told_so_at_once(places):
    places.catalogue.clear()
    assert Wishes(places, "web")() == {}


def test_a_look_that_fails_is_told_and_the_next_one_goes_on(places, monkeypatch, caplog):
    monkeypatch.setattr("launcher.warm.wishes.LOOK", 0.0)
    wishes = Wishes(places, "web")
    egress, places.egress = places.egress, None
    assert looked(wishes) == {}
    assert "looking up what to keep warm failed" in caplog.text
    places.egress = egress
    wait_for(lambda: wishes() == {INTRO: 2, OTHER: 1})
