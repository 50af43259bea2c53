"""The store: an image is built once, whatever happens and however many ask."""

import multiprocessing
import os
import shutil
import signal
import threading
from dataclasses import replace

import pytest

from envs.errors import BuildFailed
from envs.git import Git
from envs.halt import NO_HALT
from envs.store import Store
from envs.version import resolve_version
from tests.envs.fake_builder import FileBuilder
from tests.git_server import Repo
from tests.waiting import wait_for


@pytest.fixture
def env(host):
    return Repo.create(host.root / "env", {"requirements.txt": "numpy\n"}, tag="v1")


@pytest.fixture
def version(host, env, git):
    return resolve_version(host.url("env"), "v1", git=git)


@pytest.fixture
def builder(tmp_path):
    (tmp_path / "images").mkdir()
    return FileBuilder(tmp_path / "images")


@pytest.fixture
def store(tmp_path, builder, git):
    return Store(tmp_path / "builds", builder, git, poll=0.01)


def ignore(line):
    pass


def test_the_second_use_builds_nothing(store, version, builder):
    first = store.ensure_image(version, say=ignore)
    said = []
    assert store.ensure_image(version, say=said.append) == first
    assert said == []
    assert builder.count() == 1


def test_a_built_image_needs_no_git_host(store, version, host):
    store.ensure_image(version, say=ignore)
    host.stop()
    store.ensure_image(version, say=ignore)


def test_the_log_says_what_is_built_from_what(store, version):
    image = store.ensure_image(version, say=ignore)
    log = store.records.log(image.name)
    assert version.commit in log
    assert "Used: requirements.txt" in log
    assert "line 2" in log


def test_a_repository_s_builds_share_caches_and_a_commit_that_was_named_itself_does_not(
    store, version, builder, host, env
):
    store.ensure_image(version, say=ignore)
    fork = replace(version, commit=env.commit({"a": "2"}), kind="commit")
    store.ensure_image(fork, say=ignore)
    store.trusts = lambda version: version.ref == "v2"
    env.commit({"a": "3"})
    env.git("tag", "v2")
    store.ensure_image(resolve_version(host.url("env"), "v2", git=store.git), say=ignore)
    assert builder.caches == [version.repo, f"{version.repo}@{fork.commit}", "catalogue"]


def test_ten_at_once_build_once_and_all_see_the_log(store, version, builder):
    logs = [[] for _ in range(10)]
    builder.goes_on = lambda: all("line 0" in log for log in logs)
    threads = [
        threading.Thread(target=store.ensure_image, args=(version,), kwargs={"say": log.append})
        for log in logs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert builder.count() == 1
    assert all("line 2" in log and "line 0" in log for log in logs)


def test_the_catalogue_does_not_wait_behind_strangers_for_who_wants_its_image_too(
    store, version, builder
):
    store.at_once, store.trusts = 1, lambda version: version.ref == "v1"
    stranger, ahead = replace(version, ref="", kind="commit"), "https://git.example.org/o/r"
    said, threads = [], []

    def click(version, say):
        threads.append(threading.Thread(target=store.ensure_image, args=(version,), kwargs=say))
        threads[-1].start()

    with store._build_places.ticket(ahead, chosen=False):
        with store._build_places.ticket(ahead, chosen=True) as running:
            store._build_places.wait(running, ignore, NO_HALT)
            click(stranger, {"say": said.append})
            wait_for(lambda: "Waiting for a build place, 1 before you" in said)
            click(version, {"say": ignore})
            wait_for(lambda: "Waiting for a build place, you are next" in said)
        for thread in threads:
            thread.join(60)
        assert store.find_image(version)
    assert builder.count() == 1


def build_in_child(folder, images, hosts, version, pause):
    store = Store(folder, FileBuilder(images, pause=pause), Git(hosts), poll=0.01)
    store.ensure_image(version, say=ignore)


def child(store, builder, version, pause):
    process = multiprocessing.get_context("spawn").Process(
        target=build_in_child,
        args=(store.folder, builder.folder, store.git.hosts, version, pause),
    )
    process.start()
    return process


def test_two_processes_build_once(store, version, builder):
    first = child(store, builder, version, 0.2)
    second = child(store, builder, version, 0.2)
    said = []
    store.ensure_image(version, say=said.append)
    first.join(60)
    second.join(60)
    assert (first.exitcode, second.exitcode) == (0, 0)
    assert builder.count() == 1


def test_a_build_that_is_killed_half_way_is_done_again(store, version, builder):
    process = child(store, builder, version, 5)
    wait_for(builder.count, 60)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    *_, name = store.plan(version)
    assert builder.find_image(name) is None, "nothing may look built"
    store.ensure_image(version, say=ignore)
    assert builder.count() == 2
    assert [build.outcome for build in store.records.all()] == ["interrupted", "built"]


def test_a_failed_build_leaves_nothing_and_is_recorded(store, env, host, git, builder):
    env.commit({"requirements.txt": "broken\n"})
    version = resolve_version(host.url("env"), "main", git=git)
    for _ in range(2):
        with pytest.raises(BuildFailed, match="broken is not a package"):
            store.ensure_image(version, say=ignore)
    *_, name = store.plan(version)
    assert builder.find_image(name) is None
    assert [build.outcome for build in store.records.all()] == ["failed", "failed"]
    assert "The build failed: broken" in store.records.log(name)


def test_who_waited_for_a_failed_build_gets_its_error_not_another_build(
    store, env, host, git, builder
):
    env.commit({"requirements.txt": "broken\n"})
    version = resolve_version(host.url("env"), "main", git=git)
    errors, logs = [], [[] for _ in range(5)]
    builder.goes_on = lambda: all("line 0" in log for log in logs)

    def ensure(log):
        try:
            store.ensure_image(version, say=log.append)
        except BuildFailed as error:
            errors.append(error.message)

    threads = [threading.Thread(target=ensure, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == ["broken is not a package"] * 5
    assert builder.count() == 1


def test_another_commit_is_another_image_and_the_old_one_stays(store, env, host, git, version):
    old = store.ensure_image(version, say=ignore)
    env.commit({"requirements.txt": "pandas\n"})
    new = store.ensure_image(resolve_version(host.url("env"), "main", git=git), say=ignore)
    assert new.name != old.name
    assert store.builder.find_image(old.name)


def test_two_repositories_of_one_name_and_commit_are_two_images(store, host, env, git, version):
    env.git("clone", "--quiet", "--bare", str(env.folder), str(host.root / "other" / "env"))
    other = resolve_version(host.url("other/env"), "v1", git=git)
    assert other.commit == version.commit
    assert store.plan(other)[-1] != store.plan(version)[-1]


def test_exactly_the_commit_is_checked_out(store, env, host, git, version):
    env.commit({"requirements.txt": "newer\n"})
    source, *_ = store.plan(version)
    assert (source / "requirements.txt").read_text() == "numpy\n"
    assert not (source / ".git").exists()


def test_an_image_that_was_removed_is_built_with_the_same_versions(store, version, builder):
    builder.packages = "numpy==2.1.0\n-e file:///srv/repo\nmine @ file:///srv/repo\n"
    first = store.ensure_image(version, say=ignore)
    builder.remove_image(first.name)
    said = []
    assert store.ensure_image(version, say=said.append) == first
    assert builder.locks == ["", "numpy==2.1.0\n"]
    assert "Keeping to the package versions of this commit's last build" in said


def test_a_fork_s_build_of_a_commit_does_not_choose_the_versions_of_another_s(
    store, version, builder, host
):
    shutil.copytree(host.root / "env", host.root / "evil" / "env")
    builder.packages = "numpy==0.1\n"
    store.ensure_image(replace(version, repo=host.url("evil/env")), say=ignore)
    store.ensure_image(version, say=ignore)
    assert builder.locks == ["", ""]


def test_versions_that_were_withdrawn_do_not_stop_a_class(store, version, builder):
    builder.packages = "gone==1\n"
    first = store.ensure_image(version, say=ignore)
    builder.remove_image(first.name)
    builder.packages = "gone==2\n"
    said = []
    assert store.ensure_image(version, say=said.append) == first
    assert any("not possible any more (gone 1 was withdrawn)" in line for line in said)
    assert store.records.lock(version.repo, first.name) == "gone==1\n", "tried again the next time"
