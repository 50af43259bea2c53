"""What the page offers is what this server and the git host have, said soon or not at all."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from envs.channels import Channels
from envs.git import Git
from envs.image import Image
from envs.sizes import human
from envs.store import Store
from envs.version_cache import VersionCache
from launcher.asking import Asking, Slow
from launcher.content.mirror import Mirrors
from launcher.environment import Environments
from launcher.links.choices import HostChoices, folders_of, natural
from launcher.links.looking import Looking
from launcher.links.preflight import Preflight
from launcher.prebuild import Prebuild
from launcher.settings.entries import CatalogueEntry
from link_generator.link import Link
from tests.envs.fake_builder import FileBuilder
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for


@pytest.fixture
def host(tmp_path):
    (tmp_path / "git").mkdir()
    server = GitServer(tmp_path / "git")
    env = Repo.create(server.root / "env", {"requirements.txt": "one\n"}, tag="v1.9")
    env.git("tag", "v1.10")
    course = Repo.create(server.root / "course", {"wk1/intro.ipynb": "{}", "wk1/data/a b.csv": "1"})
    course.git("branch", "feature/x")
    course.git("tag", "2025.1")
    with server:
        yield server


@pytest.fixture
def looking(tmp_path, host):
    git = Git((host.host,), timeout=30.0)
    (tmp_path / "images").mkdir()
    builder = FileBuilder(tmp_path / "images")
    environments = Environments(
        {"intro": CatalogueEntry(host.url("env"), "v1.9", "Intro to data")},
        Channels(tmp_path / "channels.json"),
        VersionCache(git),
        Store(tmp_path / "builds", builder, git, poll=0.01),
        Prebuild(lambda repo, ref: None),
    )
    return Looking(environments, Mirrors(tmp_path / "content", git), Asking(), patience=60.0)


@pytest.fixture
def choices(looking):
    return HostChoices(looking)


@contextlib.contextmanager
def silent(host):
    """The git host takes connections, and then says nothing."""
    host.stop()
    with socket.create_server(("127.0.0.1", host.port)):
        yield


def values(offer):
    return [one.value for one in offer.choices]


def build(looking, host, tag):
    version = looking.environments.versions.resolve(host.url("env"), tag)
    return looking.environments.store.ensure_image(version, say=lambda line: None)


def test_an_environment_s_card_says_its_state(choices, looking, host):
    (card,) = choices.environments()
    assert (card.value, card.word, card.dot) == ("intro", "Not built", "")
    assert "Intro to data, v1.9" in card.detail
    name = build(looking, host, "v1.9").name
    builder = looking.environments.store.builder
    there = Image(name, size=2_000_000, labels={"launcher.env.python": "3.11"})
    builder.list_images = lambda: [there]
    (card,) = choices.environments()
    assert (card.word, card.dot) == ("Ready", "ok")
    assert card.detail == f"Intro to data, v1.9, Python 3.11, {human(2_000_000)}"
    builder.list_images = list
    (gone,) = choices.environments()
    assert gone.word == "Not built", "an image that was removed is none"


def test_a_name_that_no_link_can_hold_is_not_offered(choices, looking):
    looking.environments.catalogue["two words"] = CatalogueEntry("https://h.org/r")
    assert [card.value for card in choices.environments()] == ["intro"]


def test_a_failed_or_running_build_is_told(choices, looking, host):
    env = Repo(host.root / "env")
    env.commit({"requirements.txt": "broken\n"})
    env.git("tag", "--force", "v1.9")
    with pytest.raises(Exception, match="broken"):
        build(looking, host, "v1.9")
    (card,) = choices.environments()
    assert (card.word, card.dot) == ("Failed", "failed")
    env.commit({"requirements.txt": "slow\n"})
    env.git("tag", "--force", "v1.9")
    looking.environments.versions.tag_life = 0
    gate, builder = threading.Event(), looking.environments.store.builder
    builder.goes_on = gate.is_set
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(build, looking, host, "v1.9")
        wait_for(lambda: builder.count() == 2)
        (card,) = choices.environments()
        assert (card.word, card.dot) == ("Building", "active")
        gate.set()
        running.result()


def test_versions_are_channels_then_tags_then_what_never_moves(choices, looking, host):
    offer = choices.versions("intro")
    assert values(offer) == ["stable", "v1.10", "v1.9", "main"]
    assert offer.choices[0].label == "stable (now v1.9)"
    looking.environments.channels.offer("intro", "v1.10")
    commit = build(looking, host, "v1.9") and looking.environments.versions.known(
        host.url("env"), "v1.9"
    )
    assert values(choices.versions("intro")) == ["stable", "next", "v1.10", "v1.9", "main", commit]
    assert values(choices.versions(host.url("env"))) == ["v1.10", "v1.9", "main"]


def test_branches_begin_with_the_default(choices, host):
    offer = choices.branches(host.url("course"))
    assert values(offer) == ["main", "feature/x", "2025.1"]
    assert offer.choices[0].detail == "Branch, the default"


def test_files_and_their_folders_are_offered(choices, host):
    found = values(choices.files(host.url("course"), ""))
    assert found == ["wk1/intro.ipynb", "wk1", "wk1/data", "wk1/data/a b.csv"]


def test_where_nothing_can_be_offered_it_is_said(choices, host):
    for offer, said in [
        (choices.versions("none"), "no environment called"),
        (choices.branches(host.url("none")), "no repository"),
        (choices.files(host.url("course"), "mian"), "Did you mean main?"),
        (choices.branches("--upload-pack=x"), ""),
        (choices.branches("file:///etc"), "not an https or ssh address"),
        (choices.files("https://me:secret@h/r", ""), "user name or password"),
    ]:
        assert offer.choices == ()
        assert said in offer.note
        assert offer.note
    assert choices.names(host.url("none")) == ()
    assert choices.commit(host.url("course"), "mian") == ""


def test_private_and_other_hosts_are_never_contacted(choices, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)  # git could not even start
    for repo in ("http://10.1.2.3/course", "http://127.0.0.1:1/course", "https://other.org/a"):
        assert "does not fetch from" in choices.branches(repo).note, choices.branches(repo)
        assert "does not fetch from" in choices.files(repo, "").note
        assert choices.names(repo) == ()


def test_a_silent_host_is_waited_for_once_and_not_long(choices, looking, host):
    looking.patience = 0.3
    begin, asked = looking.begin, []
    looking.begin = lambda *question: asked.append(question) or begin(*question)
    with silent(host):
        began = time.monotonic()
        assert "is slow" in choices.branches(host.url("course")).note
        with pytest.raises(Slow):
            looking.content(host.url("course"), "")
        assert time.monotonic() - began < 15
    assert len(asked) == 2


def test_of_a_silent_host_the_copy_is_used_and_its_time_told(choices, looking, host):
    looking.life, looking.patience = 0.0, 0.3
    link = Link("intro", repo=host.url("course"), path="wk1/intro.ipynb")
    first = looking.mirrors.refresh(host.url("course"))
    assert first.stale is False
    with silent(host):
        offer = choices.files(host.url("course"), "")
        assert "wk1/intro.ipynb" in values(offer)
        at = time.strftime("%H:%M", time.localtime(first.fetched))
        said = rf"The git server is slow; we will use the copy from (\d{{4}}-\d\d-\d\d )?{at}\."
        assert re.fullmatch(said, offer.note)
        rows = {one.name: one for one in Preflight(looking).check(link)}
        assert rows["content"].state == "warn"
        assert re.fullmatch(said, rows["content"].sentence)
        assert rows["path"].state == "ok", "the copy is looked at"
        assert rows["environment"].state == "warn", "slow is not wrong"


def test_answers_are_believed_for_a_while(choices, looking, host):
    url = host.url("course")
    assert len(choices.branches(url).choices) == 3
    Repo(host.root / "course").git("branch", "new")
    assert len(choices.branches(url).choices) == 3
    looking.life = 0.0
    assert len(choices.branches(url).choices) == 4


def test_apps_are_those_of_the_image(choices, looking, host):
    assert "not built yet" in choices.apps("intro", "v1.9")["rstudio"]
    looking.environments.store.builder.packages = "jupyter-rsession-proxy==2.2\n"
    build(looking, host, "v1.9")
    apps = choices.apps("intro", "v1.9")
    assert apps["rstudio"] == ""
    assert "intro v1.9 has no VS Code" in apps["vscode"]
    assert "no environment called" in choices.apps("none", "")["rstudio"]
    assert choices.apps("<x>", "")["rstudio"]


def test_versions_are_sorted_as_people_count():
    assert sorted(["v1.10", "v1.9", "v1", "2025.1", "a"], key=natural) == [
        "a", "v1", "v1.9", "v1.10", "2025.1",
    ]  # fmt: skip


def test_folders_are_found_in_no_time_however_deep_they_lie():
    deep = "/".join("d" * 2000)
    began = time.process_time()
    found = folders_of(["a/b/c.txt", "a/d.txt", "e.txt", *(f"{deep}/{n}" for n in range(5000))])
    assert time.process_time() - began < 5
    assert {"a", "a/b", "d", deep} <= found
    assert len(found) == 2002
