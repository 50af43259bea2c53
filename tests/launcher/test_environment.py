"""What a link's environment stands for: a repository or image, and a tag."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import quote

import pytest

from envs.build_places import BuildPlaces
from envs.channels import Channels
from envs.errors import BuildFailed, GitHostDown, OverLimit
from envs.git import Git
from envs.room import Room
from envs.store import Store
from envs.version import Version
from envs.version_cache import VersionCache
from launcher.environment import Environments, SeenImages, environment_of, is_chosen
from launcher.prebuild import Prebuild
from launcher.settings.entries import CatalogueEntry
from link_generator.link import Link, parse_link
from tests.envs.fake_builder import FileBuilder
from tests.gated_git import GatedGit
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for

CATALOGUE = {
    "intro": CatalogueEntry("gh/org/intro", "2025.1"),
    "pangeo": CatalogueEntry("docker:quay.io/pangeo/pangeo-notebook:2021.09.30"),
    "other": CatalogueEntry("docker:quay.io/org/other", "2"),
}


@pytest.mark.parametrize(
    ("env", "tag", "found"),
    [
        ("gh/org/r", "v1", ("https://github.com/org/r", "v1")),
        ("intro", "", ("https://github.com/org/intro", "2025.1")),
        ("intro", "2026", ("https://github.com/org/intro", "2026")),
        ("docker:quay.io/org/x:1", "", ("docker:quay.io/org/x", "1")),
        ("docker:quay.io/org/x:1", "sha256:" + "a" * 64,
         ("docker:quay.io/org/x", "sha256:" + "a" * 64)),
        ("pangeo", "", ("docker:quay.io/pangeo/pangeo-notebook", "2021.09.30")),
        ("pangeo", "2025", ("docker:quay.io/pangeo/pangeo-notebook", "2025")),
        ("other", "", ("docker:quay.io/org/other", "2")),
    ],
)  # fmt: skip
def test_an_environment_is_an_address_and_a_tag(tmp_path, env, tag, found):
    channels = Channels(tmp_path / "channels.json")
    assert environment_of(Link(env=env, tag=tag), CATALOGUE, channels) == found


FORKED = "a" * 40
"""A commit of anybody's fork, which the git host serves by this address, too."""


@pytest.mark.parametrize(
    ("repo", "ref", "kind", "chosen"),
    [
        ("https://github.com/org/intro", "v3", "tag", True),
        ("https://github.com/org/intro", "main", "branch", True),
        ("https://github.com/org/intro", "", "head", True),
        ("https://github.com/org/intro", FORKED, "commit", False),
        ("https://github.com/org/intro", "b" * 40, "commit", True),
        ("https://github.com/org/pinned", "c" * 40, "commit", True),
        ("https://github.com/org/pinned", "b" * 40, "commit", False),
        ("https://github.com/org/other", "main", "branch", False),
        ("docker:quay.io/org/other", "2", "tag", True),
        ("docker:quay.io/org/other", "sha256:" + FORKED, "commit", False),
    ],
)
def test_the_catalogue_s_own_versions_are_told_from_those_of_strangers(
    tmp_path, repo, ref, kind, chosen
):
    catalogue = {**CATALOGUE, "pinned": CatalogueEntry("gh/org/pinned", "c" * 40)}
    channels = Channels(tmp_path / "channels.json")
    channels.offer("intro", "b" * 40)
    assert is_chosen(Version(repo, ref, FORKED, kind), catalogue, channels) == chosen


@pytest.fixture
def git_host(tmp_path):
    (tmp_path / "git").mkdir()
    with GitServer(tmp_path / "git") as server:
        yield server


@pytest.fixture
def teacher(tmp_path, git_host):
    return Repo.create(tmp_path / "git/env", {"requirements.txt": "one\n"})


@pytest.fixture
def environments(tmp_path, git_host, teacher, monkeypatch):
    for place in ("envs.version_cache.SOON", "launcher.environment.SOON"):
        monkeypatch.setattr(place, 60.0)  # a host that is well may take its time
    git = Git((git_host.host,))
    (tmp_path / "images").mkdir()
    store = Store(tmp_path / "builds", FileBuilder(tmp_path / "images"), git, poll=0.01)
    versions = VersionCache(git, tag_life=0)
    build = lambda repo, ref: store.ensure_image(versions.resolve(repo, ref), say=list)  # noqa: E731
    return Environments(
        {"intro": CatalogueEntry(git_host.url("env"), "main")},
        Channels(tmp_path / "channels.json"),
        versions,
        store,
        Prebuild(build, pause=60),
    )


def ensure(environments, link):
    said = []
    image = environments.ensure_image(link, said.append)
    return image, "\n".join(one.message for one in said)


def test_students_keep_the_good_version_while_a_newer_one_is_built(environments, teacher):
    link = Link(env="intro")
    first, _ = ensure(environments, link)
    teacher.commit({"requirements.txt": "two\n"})
    gate = threading.Event()
    environments.store.builder.goes_on = gate.is_set
    during, said = ensure(environments, link)
    gate.set()
    assert during == first
    assert "A newer version of main is being built" in said
    wait_for(lambda: ensure(environments, link)[0] != first)


def test_who_names_the_repository_itself_waits_for_the_newest(environments, teacher, git_host):
    link = Link(env=git_host.url("env"), tag="main")
    first, _ = ensure(environments, link)
    teacher.commit({"requirements.txt": "two\n"})
    assert ensure(environments, link)[0] != first


@pytest.mark.parametrize(
    "files", [{"requirements.txt": "broken\n"}, {"apt.txt": "x; id\n"}], ids=["build", "file"]
)
@pytest.mark.parametrize("by_name", [True, False])
def test_a_newer_version_that_cannot_be_built_stops_nobody(
    environments, teacher, git_host, files, by_name
):
    link = Link(env="intro") if by_name else Link(env=git_host.url("env"), tag="main")
    first, _ = ensure(environments, link)
    teacher.commit(files)
    for _ in range(3):
        image, said = ensure(environments, link)
        assert image == first
    if not by_name:
        assert "cannot be built" in said
        assert "The last good version is used instead" in said


def test_where_too_many_builds_of_an_owner_wait_the_good_version_is_used(
    environments, teacher, git_host
):
    link = Link(env=git_host.url("env"), tag="main")
    first, _ = ensure(environments, link)
    teacher.commit({"requirements.txt": "two\n"})
    environments.store.per_owner = 1
    places = BuildPlaces(environments.store.folder / "slots", 2, 1)
    with places.ticket(git_host.url("env"), chosen=False):
        image, said = ensure(environments, link)
    assert image == first
    assert "run or wait already: 1." in said
    assert "The last good version is used instead" in said


@pytest.mark.parametrize("by_name", [True, False])
def test_where_the_disk_is_full_the_good_version_is_used(
    environments, teacher, git_host, tmp_path, by_name
):
    link = Link(env="intro") if by_name else Link(env=git_host.url("env"), tag="main")
    first, _ = ensure(environments, link)
    teacher.commit({"requirements.txt": "two\n"})
    environments.store.room = Room(1 << 60, lambda: [tmp_path])
    image, said = ensure(environments, link)
    assert image == first
    assert "cannot be built (There is too little room" in said
    assert "is being built" not in said
    assert environments.find_image(link) == first
    teacher.git("branch", "new")
    for find in (environments.find_image, lambda link: ensure(environments, link)):
        with pytest.raises(OverLimit, match="too little room"):
            find(replace(link, tag="new"))
    environments.store.room = Room()
    wait_for(lambda: ensure(environments, link)[0] != first)


def test_without_a_good_version_the_failure_is_said(environments, teacher):
    teacher.commit({"requirements.txt": "broken\n"})
    with pytest.raises(BuildFailed):
        ensure(environments, Link(env="intro"))


def test_the_strictest_entry_of_a_repository_says_what_its_sessions_reach(tmp_path):
    repo = "https://github.com/org/intro"
    catalogue = {
        "open": CatalogueEntry(repo, egress="open"),
        "exam": CatalogueEntry(f"{repo}", egress="none"),
        "plain": CatalogueEntry(repo),
    }
    found = Environments(catalogue, Channels(tmp_path / "c"), None, None, None)
    named = {env: found.egress(Link(env=env)) for env in catalogue}
    assert named == {"open": "open", "exam": "none", "plain": ""}
    assert found.egress(Link(env=repo)) == "none"
    assert found.egress(Link(env="gh/org/other")) == ""


@pytest.mark.parametrize(
    "spelled",
    [
        "https://github.com/org/exam",
        "gh/org/exam",
        "https://github.com/org/exam.git",
        "https://GitHub.com/Org/Exam/",
        "http://github.com/org/exam",
        "https://github.com:443/org/exam",
        "https://github.com/org/ex%61m",
        "https://github.com/org/exam%2Egit",
        "https://github.com/org//exam",
        "https://github.com./org/exam",
        "ssh://git@github.com/org/exam",
        "git@github.com:org/exam",
        "docker:org/exam",
        "docker:docker.io/org/exam",
        "docker:registry-1.docker.io:443/org/exam:other",
        "docker:quay.io:443/org/exam",
    ],
)
def test_an_exam_s_egress_holds_however_a_link_spells_its_address(tmp_path, spelled):
    catalogue = {
        "exam": CatalogueEntry("https://github.com/org/exam", egress="none"),
        "image": CatalogueEntry("docker:org/exam:1", egress="none"),
        "other": CatalogueEntry("docker:quay.io/org/exam:1", egress="none"),
    }
    link = parse_link(f"/launch?env={quote(spelled, safe='')}")[0]
    found = Environments(catalogue, Channels(tmp_path / "c"), None, None, None)
    assert found.egress(link) == "none"


def test_a_class_that_clicks_looks_an_image_up_once_or_twice(environments, monkeypatch):
    monkeypatch.setattr("launcher.environment.BELIEVED", 60.0)
    link = Link(env="intro")
    image, _ = ensure(environments, link)
    version = environments.versions.resolve(*environments.of(link))
    environments.images._seen.clear()
    looked, look, waits = [], environments.images.look, threading.Semaphore(0)

    class Counting(Future):
        def result(self, timeout=None):
            waits.release()
            return super().result(timeout)

    def slow(version):
        looked.append(version)
        if len(looked) == 1:  # until all the others wait: one of them is to look next
            assert all(waits.acquire(timeout=60) for _ in range(18))
        return look(version)

    monkeypatch.setattr("launcher.shared_look.Future", Counting)

    environments.images.look = slow
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(environments.images.find, [version] * 20))
    assert found == [image] * 20
    assert len(looked) <= 2, "the first one, and one for all who came while it looked"


@pytest.fixture
def gated(environments):
    found = environments.versions.git = GatedGit(environments.versions.git)
    yield found
    found.gate.set()


def test_a_class_that_clicks_asks_the_git_host_once(environments, gated, monkeypatch):
    link = Link(env="intro")
    image, _ = ensure(environments, link)
    gated.asked.clear()
    gated.gate.clear()
    question, waiting = environments.versions._question, []

    def counted(*names):
        found = question(*names)
        waiting.append(names)
        return found

    monkeypatch.setattr(environments.versions, "_question", counted)
    with ThreadPoolExecutor(40) as pool:
        found = [pool.submit(environments.ensure_image, link, print) for _ in range(40)]
        wait_for(lambda: len(waiting) >= 40)
        gated.gate.set()
        assert [one.result(timeout=60) for one in found] == [image] * 40
    assert len(gated.asked) <= 3


def test_a_git_host_that_hangs_holds_nobody_up_whose_image_is_there(
    environments, gated, monkeypatch
):
    monkeypatch.setattr("envs.version_cache.SOON", 0.5)
    link = Link(env="intro")
    image, _ = ensure(environments, link)
    gated.gate.clear()
    assert ensure(environments, link)[0] == image
    assert environments.find_image(link) == image


def test_what_a_click_would_get_is_not_waited_for_while_a_git_host_hangs(
    environments, gated, monkeypatch
):
    monkeypatch.setattr("launcher.environment.SOON", 0.1)
    gated.gate.clear()
    with pytest.raises(GitHostDown, match="not answered yet"):
        environments.find_image(Link(env="intro"))


def test_an_image_that_was_removed_is_missed_within_a_second(environments, monkeypatch):
    link = Link(env="intro")
    image, _ = ensure(environments, link)
    assert environments.find_image(link) == image
    environments.store.builder.remove_image(image.name)
    monkeypatch.setattr("launcher.environment.BELIEVED", 0.0)
    assert environments.find_image(link) is None


def test_only_the_last_versions_are_remembered(environments, monkeypatch):
    monkeypatch.setattr("launcher.environment.REMEMBERED", 3)
    seen = SeenImages(lambda version: version)
    for number in range(10):
        assert seen.find(number) == number
    assert len(seen._looks) <= 4
    assert len(seen._seen) <= 4
