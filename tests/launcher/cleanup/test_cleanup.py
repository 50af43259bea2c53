"""`launcher env gc`: what a link, a session, a channel or a build needs stays."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from hashlib import sha256
from types import SimpleNamespace

import pytest
from sqlalchemy import insert

from envs.build import Build, write_record
from envs.channels import Channels
from envs.git import Git
from envs.store import Store
from envs.version import Version
from envs.version_cache import VersionCache
from launcher.classes.classes import Classes
from launcher.classes.times import ClassTime
from launcher.cleanup import leftovers
from launcher.cleanup.cleanup import DAY, Cleanup, regularly
from launcher.cleanup.copies import Copies
from launcher.cleanup.planned import Planned
from launcher.content.mirror_folder import MirrorFolder
from launcher.database import Database
from launcher.database.tables import SESSIONS
from launcher.homes import disk
from launcher.links.short_links import ShortLinks
from launcher.sessions.history import History, Remembered
from launcher.settings.entries import CatalogueEntry
from link_generator.link import Link
from tests.envs.fake_builder import FileBuilder

REPO = "https://git.example.org/org/env"


@pytest.fixture
def scene(tmp_path):
    """A launcher whose images are files, and a way to say that one was built some days ago."""
    (tmp_path / "images").mkdir()
    builder = Named(tmp_path / "images")
    git = Git(())
    cleanup = Cleanup(
        store=Store(tmp_path / "builds", builder, git),
        runtime=SimpleNamespace(images=builder, list=list),
        channels=Channels(tmp_path / "channels.json"),
        versions=VersionCache(git),
        history=History(Database.of(tmp_path)),
        planned=Planned(ShortLinks(Database.of(tmp_path)), Classes(Database.of(tmp_path))),
        catalogue={},
        keep_days=60,
        cache=0,
        longest_build=3600,
        copies=Copies(MirrorFolder(tmp_path / "content"), tmp_path, keep=1000),
    )

    def built(name, days, ref="v1", repo=REPO):
        started = time.time() - days * DAY
        place = cleanup.store.records.place(name)
        place.mkdir(parents=True)
        write_record(place, Build(name, repo, ref, name[-12:], started, 1, "built"))
        builder._file(name).write_text("built")
        return name

    return SimpleNamespace(cleanup=cleanup, built=built, builder=builder)


class Named(FileBuilder):
    def list_images(self):
        found = super().list_images()
        return [replace(one, name=one.name.replace("_", "/", 1)) for one in found]


def gone(scene, **changes):
    """All but logs, which go with images this old."""
    found = replace(scene.cleanup, **changes).run()
    return [one.name for one in found if one.what != "log"]


def test_old_images_go_and_new_ones_stay(scene):
    old = scene.built("env/a:1", days=100)
    scene.built("env/a:2", days=10)
    scene.builder._file("env/other:9").write_text("another launcher's")
    assert [(one.what, one.name) for one in scene.cleanup.run(dry_run=True)] == [
        ("image", old),
        ("log", old),
    ]
    assert scene.builder.find_image(old), "a dry run only tells"
    assert gone(scene) == [old]
    assert not scene.builder.find_image(old)
    assert scene.builder.find_image("env/other:9")


def test_what_a_short_link_or_a_class_to_come_needs_stays(scene):
    linked, planned, over, newest = (
        scene.built(f"env/{ref}:1", days=days, ref=ref)
        for ref, days in (("linked", 300), ("planned", 290), ("over", 280), ("newest", 270))
    )
    now = time.time()
    assert not scene.cleanup.needed()
    links, classes = scene.cleanup.planned.short_links, scene.cleanup.planned.classes
    links.save("week-1", Link(REPO, "linked"))
    links.save("exam", Link(REPO, "over"), closes=now - DAY)
    links.save("gone", Link("no-longer-in-the-catalogue"))
    classes.add(ClassTime(f"{REPO}@planned", 40, now + 90 * DAY), now=now)
    needed = scene.cleanup.needed()
    assert needed[linked] == "the short link week-1 names it"
    assert needed[planned] == "a class that is planned uses it"
    assert gone(scene) == [over]
    assert newest in needed


def test_what_a_session_runs_or_a_link_used_lately_stays(scene):
    ran, used, newest = (scene.built(f"env/a:{n}", days=300 - n) for n in range(3))
    forgotten = scene.built("env/b:1", days=300, repo=f"{REPO}2")
    now = time.time()
    clicked = [
        Remembered("a" * 12, "s", "c", used, "/launch", now - DAY),
        Remembered("b" * 12, "s", "c", forgotten, "/l", now - 99 * DAY),
    ]
    with scene.cleanup.history.database.write() as connection:
        connection.execute(insert(SESSIONS), [asdict(one) for one in clicked])
    runtime = SimpleNamespace(images=scene.builder, list=lambda: [SimpleNamespace(image=ran)])
    assert gone(scene, runtime=runtime) == [forgotten]
    assert scene.builder.find_image(newest), "the newest of a repository in use"


def test_channels_with_what_a_rollback_goes_to_and_the_catalogue_stay(scene):
    names = [scene.built(f"env/a:{n}", days=300 - n, ref=f"v{n}") for n in range(6)]
    for n in (2, 3):
        scene.cleanup.channels.promote("course", f"v{n}", "v1")
    scene.cleanup.channels.offer("course", "v4")
    catalogue = {"course": CatalogueEntry(REPO, "v0")}
    assert gone(scene, catalogue=catalogue) == [names[1]], "v5 is the newest"


def test_an_image_that_is_being_built_stays(scene):
    name = scene.built("env/a:1", days=300)
    with (scene.cleanup.store.records.place(name) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert gone(scene) == []
    assert gone(scene) == [name]


def test_checkouts_go_with_their_images(scene):
    scene.built("env/a:abcdefabcdef", days=1)
    sources, old = scene.cleanup.store.folder / "sources", time.time() - 10 * DAY
    for commit in ("abcdefabcdef", "other"):
        (sources / f"mark-{commit}").mkdir(parents=True)
        os.utime(sources / f"mark-{commit}", (old, old))
    assert gone(scene) == ["mark-other"]
    assert [one.name for one in sources.iterdir()] == ["mark-abcdefabcdef"]


def test_the_checkout_that_a_build_waits_with_stays(scene):
    """A build may wait for a place longer than any build takes."""
    store, old = scene.cleanup.store, time.time() - 10 * DAY
    place = store.records.place("env/a:1")
    place.mkdir(parents=True)
    write_record(place, Build("env/a:1", REPO, "v1", "abcdefabcdef", old, 0, "running"))
    checkout = store.folder / "sources/mark-abcdefabcdef"
    checkout.mkdir(parents=True)
    os.utime(checkout, (old, old))
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert gone(scene) == []
    assert gone(scene) == ["mark-abcdefabcdef"]


def test_a_checkout_that_is_about_to_be_built_stays(scene):
    store, old = scene.cleanup.store, time.time() - 10 * DAY
    version = Version(REPO, "v1", "a" * 40, "tag")
    checkout = store.folder / f"sources/{sha256(REPO.encode()).hexdigest()[:12]}-{'a' * 40}"
    checkout.mkdir(parents=True)
    os.utime(checkout, (old, old))
    assert store.source(version) == checkout
    assert gone(scene) == []


@pytest.fixture
def old_checkout(scene):
    """A version, and its checkout that nobody has used for days."""
    version = Version(REPO, "v1", "a" * 40, "tag")
    folder = scene.cleanup.store.source(replace(version, repo="docker:x"))
    mark = sha256(REPO.encode()).hexdigest()[:12]
    folder = folder.rename(folder.with_name(f"{mark}-{version.commit}"))
    (folder / "file").write_text("x")
    os.utime(folder, (time.time() - 10 * DAY,) * 2)
    return version, folder


def test_a_checkout_that_a_click_takes_while_it_is_looked_at_stays(
    scene, old_checkout, monkeypatch
):
    version, folder = old_checkout
    used = disk.used

    def clicked(measured):
        assert scene.cleanup.store.source(version) == folder
        return used(measured)

    monkeypatch.setattr(disk, "used", clicked)
    assert gone(scene) == []
    assert (folder / "file").exists()


def test_a_checkout_whose_lock_a_click_holds_stays(scene, old_checkout):
    _, folder = old_checkout
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert gone(scene) == []
    assert gone(scene) == [folder.name]


def test_a_click_waits_with_its_use_of_a_checkout_until_that_is_removed_or_stays(
    scene, old_checkout
):
    version, folder = old_checkout
    with ThreadPoolExecutor(1) as pool:
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            click = pool.submit(scene.cleanup.store.source, version)
            time.sleep(0.3)
            assert not click.done()
        assert click.result(60) == folder


def test_the_lock_of_a_checkout_goes_with_it_and_one_that_somebody_holds_stays(scene):
    store, version = scene.cleanup.store, Version("docker:x", "v1", "a" * 40, "tag")
    sources = store.source(version).parent
    os.utime(store.source(version), (time.time() - 10 * DAY,) * 2)
    (sources / "mark-failed.lock").touch()  # of a commit that could not be fetched
    with (sources / "mark-making.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert len(gone(scene)) == 1
    assert [one.name for one in sources.iterdir()] == ["mark-making.lock"]
    assert store.source(version).exists()


def test_a_checkout_whose_removal_is_killed_is_nobodys_and_a_leftover(
    scene, old_checkout, tmp_path, monkeypatch
):
    _, folder = old_checkout
    monkeypatch.setattr("launcher.cleanup.cleanup.remove_tree", lambda _: "killed")
    assert gone(scene) == [folder.name]
    assert not folder.exists()
    (left,) = leftovers.find(tmp_path, older=3600)
    assert (left.path / "file").exists()
    assert leftovers.remove(left)


def test_logs_go_once_they_are_old_and_their_image_is_gone(scene):
    names = scene.built("env/a:1", days=100), scene.built("env/a:2", days=100)
    records = scene.cleanup.store.records
    refused = scene.built("env/b:refused", days=70)
    young = scene.built("env/b:2", days=50)
    killed = records.place("env/c:1")
    killed.mkdir(parents=True)
    write_record(killed, Build("env/c:1", REPO, "v1", "c", time.time() - 99 * DAY, 0, "running"))
    for name in (*names[1:], refused, young):
        scene.builder.remove_image(name)
    records.keep_lock(REPO, "env/a:abc-2", "six==1\n")
    with (records.place(refused) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert {one.name for one in scene.cleanup.run()} == {*names, "env/c:1"}
        assert records.place(refused).exists(), "it is built just now"
    assert [(one.what, one.name) for one in scene.cleanup.run()] == [("log", refused)]
    assert [one.name for one in records.all()] == [young]
    assert records.lock(REPO, "env/a:abc-3") == "six==1\n", "the next build keeps to these versions"


def test_a_checkout_of_any_depth_goes(scene, dig):
    """Git takes folders as deep as a path is long; that is deeper than Python walks."""
    sources, old = scene.cleanup.store.folder / "sources", time.time() - 10 * DAY
    (sources / "mark-deep").mkdir(parents=True)
    dig(sources / "mark-deep")
    os.utime(sources / "mark-deep", (old, old))
    assert gone(scene) == ["mark-deep"]
    assert not [one for one in sources.iterdir() if one.is_dir()]


def test_a_launcher_that_is_started_again_each_night_cleans_up_too():
    waits, calls = [], []

    def wait(seconds):
        waits.append(seconds)
        return len(waits) > 2

    regularly(lambda: calls.append(1) or [], DAY, SimpleNamespace(wait=wait))
    assert (waits, len(calls)) == ([900, DAY, DAY], 2)


def test_it_goes_on_though_it_fails_once():
    ended, calls = threading.Event(), []

    def run():
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the engine was away")
        ended.set()
        return []

    regularly(run, 0.01, ended)
    assert len(calls) == 2


def test_copies_of_repositories_that_nobody_took_go(scene, tmp_path):
    mirror = tmp_path / "content/mirrors/looked-at"
    mirror.mkdir(parents=True)
    (mirror / "pack").write_bytes(bytes(5000))
    os.utime(mirror, (1e9, 1e9))
    assert [one.what for one in scene.cleanup.run(dry_run=True)] == ["mirror"]
    assert mirror.exists()
    assert gone(scene) == ["looked-at"]
    assert not mirror.exists()
