"""Builds that end badly: killed, failed before, interrupted; and who watches them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from envs.builder import Say
from envs.errors import BadEnvironment, BuildCancelled, BuildFailed, TooManyBuilds
from envs.git import Git
from envs.halt import NO_HALT
from envs.image import Image
from envs.log_tail import LogTail
from envs.store import Store
from envs.version import Version, resolve_version
from tests.envs.fake_builder import FileBuilder
from tests.git_server import Repo
from tests.waiting import wait_for

REPO = "https://git.example.org/org/env"


@dataclass
class Gated(FileBuilder):
    """Says one line, then waits for the file `go`; a file `fail` or `crash` ends it so."""

    def build(self, name, recipe, *, source, labels, say: Say, halt=NO_HALT, cache="") -> Image:
        say("compiling")
        (self.folder / "begun").touch()
        over = threading.Event()
        with halt.ending(over.set):
            while not over.is_set() and not (self.folder / "go").exists():
                time.sleep(0.01)
        if (self.folder / "crash").exists():
            raise RuntimeError("a bug of the builder")
        if (self.folder / "fail").exists():
            raise BuildFailed("no such package")
        self.lines = 2
        return super().build(name, recipe, source=source, labels=labels, say=say)


@pytest.fixture
def version(host, git):
    Repo.create(host.root / "env", {"requirements.txt": "numpy\n"}, tag="v1")
    return resolve_version(host.url("env"), "v1", git=git)


@pytest.fixture
def images(tmp_path):
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


@pytest.fixture
def store(tmp_path, images, git):
    return Store(tmp_path / "builds", Gated(images), git, poll=0.01)


def ignore(line):
    pass


def build_here(folder: Path, images: Path, hosts, version) -> None:
    Store(folder, Gated(images), Git(hosts), poll=0.01).ensure_image(version, say=ignore)


@contextmanager
def builder_process(store, version):
    """Another launcher that has begun to build and waits at the gate."""
    begun = store.builder.folder / "begun"
    begun.unlink(missing_ok=True)
    process = multiprocessing.get_context("spawn").Process(
        target=build_here, args=(store.folder, store.builder.folder, store.git.hosts, version)
    )
    process.start()
    try:
        wait_for(begun.exists, 120)
        yield process
    finally:
        process.kill()
        process.join(60)


def fail_once(store, version):
    (store.builder.folder / "fail").touch()
    (store.builder.folder / "go").touch()
    with pytest.raises(BuildFailed):
        store.ensure_image(version, say=ignore)
    (store.builder.folder / "fail").unlink()
    (store.builder.folder / "go").unlink()


def test_who_watched_a_build_that_was_killed_builds_though_an_older_one_failed(store, version):
    fail_once(store, version)
    said, images = [], []
    with builder_process(store, version) as process:
        watcher = threading.Thread(
            target=lambda: images.append(store.ensure_image(version, say=said.append))
        )
        watcher.start()
        wait_for(lambda: "compiling" in said)
        os.kill(process.pid, signal.SIGKILL)
        (store.builder.folder / "go").touch()
        watcher.join(60)
    assert images, "the watcher took over and built"
    assert [build.outcome for build in store.records.all()] == ["failed", "interrupted", "built"]


def test_who_comes_late_from_another_process_sees_the_log_from_its_first_line(store, version):
    said = []
    with builder_process(store, version):
        watcher = threading.Thread(target=store.ensure_image, args=(version,),
                                   kwargs={"say": said.append})  # fmt: skip
        watcher.start()
        wait_for(lambda: "compiling" in said)
        (store.builder.folder / "go").touch()
        watcher.join(60)
    *_, name = store.plan(version)
    assert said == store.records.log(name).splitlines()
    assert said[0] == f"Building {name}"
    assert said[-1] == "line 1"


def test_a_build_killed_in_the_middle_shows_nowhere_as_built(store, version):
    with builder_process(store, version) as process:
        os.kill(process.pid, signal.SIGKILL)
    *_, name = store.plan(version)
    assert store.builder.find_image(name) is None
    assert store.records.all() == []
    assert "compiling" in store.records.log(name)


def test_a_build_is_cancelled_from_another_process_and_who_watched_is_told(store, version):
    *_, name = store.plan(version)
    assert not store.cancel(name), "nobody builds it"
    errors, said = [], []

    def watch():
        try:
            store.ensure_image(version, say=said.append)
        except BuildCancelled as error:
            errors.append(error)

    with builder_process(store, version) as process:
        watcher = threading.Thread(target=watch)
        watcher.start()
        wait_for(lambda: "compiling" in said)
        assert store.cancel(name)
        watcher.join(60)
        process.join(60)
    assert [error.message for error in errors] == ["The build was cancelled."]
    assert [build.outcome for build in store.records.all()] == ["cancelled"]
    assert said[-1] == "The build was cancelled."
    assert store.builder.find_image(name) is None
    (store.builder.folder / "go").touch()
    assert store.ensure_image(version, say=ignore).name == name, "the next click builds"


def test_a_wish_to_cancel_is_taken_only_of_a_build_that_will_heed_it(store, version):
    """Whoever has just taken the lock of an image looks first whether there is one by now."""
    *_, name = store.plan(version)
    with builder_process(store, version) as process:
        process.kill()
    cancels, errors = [], []
    find = store.builder.find_image
    store.builder.find_image = lambda name: cancels.append(store.cancel(name)) or find(name)

    def build():
        try:
            store.ensure_image(version, say=ignore)
        except BuildCancelled as error:
            errors.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    wait_for(lambda: store.cancel(name), 60)
    thread.join(60)
    assert cancels == [False, False], "before and after the lock was taken"
    assert [error.message for error in errors] == ["The build was cancelled."]


def test_one_build_too_many_of_an_owner_leaves_no_record_and_can_be_built_later(
    store, version, host, git
):
    repo = Repo(host.root / "env")
    repo.commit({"requirements.txt": "six\n"})
    repo.git("tag", "v2")
    newer = resolve_version(host.url("env"), "v2", git=git)
    store.per_owner = 1
    with builder_process(store, version) as process:
        with pytest.raises(TooManyBuilds, match=r"127.* run or wait already: 1"):
            store.ensure_image(newer, say=ignore)
        assert [build.ref for build in store.records.unfinished()] == ["v1"]
        assert store.records.all() == []
        (store.builder.folder / "go").touch()
        store.trusts = lambda version: version.ref == "v2"
        store.ensure_image(newer, say=ignore)
        store.trusts = lambda version: False
        store.builder.remove_image(store.plan(newer)[2])
        os.kill(process.pid, signal.SIGKILL)
        process.join(60)
        assert store.ensure_image(newer, say=ignore), "what was killed counts no more"


def test_a_launch_that_needs_no_build_never_waits_for_a_place(store, version, host, git):
    (store.builder.folder / "go").touch()
    store.at_once = 1
    built = store.ensure_image(version, say=ignore)
    (store.builder.folder / "go").unlink()
    Repo.create(host.root / "other", {"requirements.txt": "six\n"}, tag="v1")
    Repo.create(host.root / "third", {"requirements.txt": "six\n"}, tag="v1")
    third, said = resolve_version(host.url("third"), "v1", git=git), []
    with builder_process(store, resolve_version(host.url("other"), "v1", git=git)):
        waiter = threading.Thread(
            target=store.ensure_image, args=(third,), kwargs={"say": said.append}
        )
        waiter.start()
        wait_for(lambda: "Waiting for a build place, you are next" in said)
        assert store.ensure_image(version, say=ignore) == built
        assert "compiling" not in said
        (store.builder.folder / "go").touch()
        waiter.join(60)
    assert "compiling" in said


def test_a_failed_build_is_tried_again_by_the_next_who_asks(store, version):
    fail_once(store, version)
    (store.builder.folder / "go").touch()
    image = store.ensure_image(version, say=ignore)
    assert store.records.last(image.name).outcome == "built"
    assert "failed" not in store.records.log(image.name)


def test_a_bug_in_a_builder_is_recorded_as_interrupted_and_not_as_a_failed_environment(
    store, version
):
    (store.builder.folder / "crash").touch()
    (store.builder.folder / "go").touch()
    with pytest.raises(RuntimeError):
        store.ensure_image(version, say=ignore)
    assert [build.outcome for build in store.records.all()] == ["interrupted"]


def test_a_failure_keeps_the_end_of_the_log_for_those_who_watched(store, version):
    (store.builder.folder / "fail").touch()
    errors, logs = [], [[] for _ in range(3)]

    def watch(log):
        try:
            store.ensure_image(version, say=log.append)
        except BuildFailed as error:
            errors.append(error)

    watchers = [threading.Thread(target=watch, args=(log,)) for log in logs]
    for thread in watchers:
        thread.start()
    wait_for(lambda: all("compiling" in log for log in logs))
    (store.builder.folder / "go").touch()
    for thread in watchers:
        thread.join(60)
    assert len(store.records.all()) == 1
    assert [error.message for error in errors] == ["no such package"] * 3
    assert sum("compiling" in error.log_tail for error in errors) == 2


def test_a_record_that_was_cut_off_does_not_hide_the_others(store, version):
    (store.builder.folder / "go").touch()
    image = store.ensure_image(version, say=ignore)
    next(store.folder.glob("logs/*")).joinpath("1.json").write_text('{"name": "env/x')
    assert [build.name for build in store.records.all()] == [image.name]


def test_a_tail_begins_anew_with_a_new_log_of_the_same_name(tmp_path):
    log, said = tmp_path / "log.txt", []
    tail = LogTail(log)
    tail.follow(said.append)
    log.write_text("one\ntwo\nhal")
    tail.follow(said.append)
    log.unlink()
    log.write_text("first line\nsecond line\nthird line\n")
    tail.follow(said.append)
    tail.close()
    assert said == ["one", "two", "first line", "second line", "third line"]


def test_a_class_that_clicks_at_once_fetches_once(store, version, host):
    before = len(host.requests)
    threads = [threading.Thread(target=store.source, args=(version,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(host.requests) - before <= 3, "one client's: what there is, and the commit"


def test_what_is_refused_before_a_build_has_a_record_with_its_line(tmp_path, host, git):
    repo = Repo.create(host.root / "refused", {"apt.txt": "tree\ntree; id\n"}, tag="v1")
    (tmp_path / "images").mkdir()
    store = Store(tmp_path / "builds", FileBuilder(tmp_path / "images"), git)
    for _ in range(3):
        with pytest.raises(BadEnvironment):
            store.ensure_image(resolve_version(host.url("refused"), "v1", git=git), say=list)
    (build,) = store.records.all()
    assert (build.outcome, build.file, build.line, build.ref) == ("failed", "apt.txt", 2, "v1")
    assert "is not the name of a Debian package" in build.sentence
    assert "apt.txt line 2" in store.records.log(build.name)
    repo.commit({"apt.txt": "x_y\n"})
    repo.git("tag", "v2")
    with pytest.raises(BadEnvironment):
        store.ensure_image(resolve_version(host.url("refused"), "v2", git=git), say=list)
    assert [build.ref for build in store.records.all()] == ["v1", "v2"]


def test_a_class_that_clicks_on_what_is_refused_hears_why_and_leaves_one_record(tmp_path):
    (tmp_path / "images").mkdir()
    store, trouble = Store(tmp_path / "builds", FileBuilder(tmp_path / "images"), Git()), []
    records = store.records

    def click(version, ready):
        ready.wait(120)
        try:
            records.note_refusal(version, BadEnvironment("apt.txt line 1: no", hint="Mend it."))
        except BaseException as error:
            trouble.append(error)

    for number in range(25):
        version, ready = (
            Version(REPO, f"v{number}", f"{number:02}" * 20, "tag"),
            threading.Barrier(8),
        )
        threads = [threading.Thread(target=click, args=(version, ready)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert trouble == []
    assert sorted(build.ref for build in records.all()) == sorted(f"v{n}" for n in range(25))
    assert not list(tmp_path.glob("builds/logs/*/*.tmp"))


def test_a_refusal_is_said_also_where_it_cannot_be_recorded(tmp_path):
    (tmp_path / "builds").write_text("no folder")
    records = Store(tmp_path / "builds", FileBuilder(tmp_path), Git()).records
    records.note_refusal(Version(REPO, "v1", "0" * 40, "tag"), BadEnvironment("no"))


def test_records_of_one_repository_are_found_beside_its_namesakes(tmp_path):
    records = Store(tmp_path, FileBuilder(tmp_path), Git()).records
    for repo in (REPO, f"{REPO}.git", REPO.replace("org", "other"), f"{REPO}-2"):
        records.note_refusal(Version(repo, "v1", "0" * 40, "tag"), BadEnvironment("no"))
    assert [build.repo for build in records.of(REPO)] == [REPO]


def test_a_log_that_is_removed_gives_its_lock_to_nobody_twice(tmp_path):
    """Whoever waited for the lock of a folder that is gone takes the one of the new folder."""
    records, began = Store(tmp_path, FileBuilder(tmp_path), Git()).records, time.time()
    held, trouble = [], []

    def goes_on():
        """For two seconds, and until each of the three has had the lock."""
        past = time.time() - began
        return past < 2 or (past < 30 and len(set(held)) < 3)

    def use(number):
        while goes_on():
            if number % 2:
                records.remove("env/a:1", before=time.time())
                continue
            file = records.take("env/a:1")
            if file:
                with file:
                    held.append(number)
                    (records.place("env/a:1") / "mine").write_text(f"{number}")
                    time.sleep(0.001)
                    if (records.place("env/a:1") / "mine").read_text() != f"{number}":
                        trouble.append(number)

    def run(number):
        try:
            use(number)
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert trouble == []
    assert len(set(held)) == 3
    assert not list(tmp_path.glob(".gone-*"))
