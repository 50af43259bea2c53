"""How many warm sessions are wanted: what the catalogue says, and who will come to a class."""

from types import SimpleNamespace

import pytest

from envs.errors import GitHostDown
from launcher.warm.demand import Kind
from launcher.warm.wishes import Wishes

INTRO, OTHER = Kind("env/intro:1-2"), Kind("env/other:1-2")


class Places:
    """Environments, some of them built."""

    def __init__(self, **warm):
        self.catalogue = {name: SimpleNamespace(warm=count) for name, count in warm.items()}
        self.images = {"intro": INTRO.image, "intro@v1": INTRO.image, "other": OTHER.image}
        self.begun = []
        self.prebuild = self

    def find_image(self, link):
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
    return Places(intro=2, other=1)


def test_a_class_wants_those_who_are_not_there_yet(places):
    coming, there = {"intro": 40}, {}
    wishes = Wishes(places, "web", lambda: coming, lambda image: there.get(image, 0))
    assert wishes() == {INTRO: 40, OTHER: 1}
    there[INTRO.image] = 30
    assert wishes() == {INTRO: 10, OTHER: 1}
    there[INTRO.image] = 45
    assert wishes() == {INTRO: 2, OTHER: 1}
    coming.clear()
    assert wishes() == {INTRO: 2, OTHER: 1}


def test_a_class_comes_before_what_is_always_kept(places):
    wishes = Wishes(places, "web", lambda: {"other": 5})
    assert list(wishes()) == [OTHER, INTRO]


def test_a_version_may_be_named_and_one_that_is_not_built_is(places):
    wishes = Wishes(places, "web", lambda: {"intro@v1": 7, "new@v2": 3, "down": 1})
    assert wishes() == {INTRO: 7, OTHER: 1}
    assert places.begun == [("new", "v2")]
