"""A checkout is exactly one commit, complete or not there at all."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from envs.checkout import Allowance, checkout
from envs.errors import GitHostDown, OverLimit, RepoNotFound, TooLarge, UnknownRef
from envs.git import Git
from envs.room import Room
from envs.version import Version, resolve_version
from tests.git_server import Repo


@pytest.fixture
def repo(host):
    """One commit on main, which the annotated tag v1 names."""
    return Repo.create(host.root / "env", {"requirements.txt": "cowsay==6.1\n"}, tag="v1")


@pytest.fixture
def url(host, repo):
    return host.url("env")


@pytest.fixture
def old(repo, url, git):
    """The version of v1, after which two commits went on."""
    found = resolve_version(url, "v1", git=git)
    repo.commit({"requirements.txt": "cowsay==6.0\n"})
    repo.commit({"later.txt": "x"})
    return found


@pytest.mark.parametrize("by_commit", [True, False])
def test_exactly_that_commit_lies_there(host, old, git, tmp_path, by_commit):
    host.by_commit = by_commit
    folder = checkout(old, tmp_path / "at" / "v1", git=git)
    assert (folder / "requirements.txt").read_text() == "cowsay==6.1\n"
    assert [path.name for path in folder.iterdir()] == ["requirements.txt"]


@pytest.mark.parametrize("by_commit", [True, False])
def test_a_commit_that_no_branch_holds_any_more_needs_a_server_that_gives_it(
    host, repo, url, git, tmp_path, by_commit
):
    host.by_commit = by_commit
    lost = repo.commit({"requirements.txt": "lost\n"})
    repo.git("reset", "-q", "--hard", "HEAD~1")
    version = Version(url, lost, lost, "commit")
    if by_commit:
        assert (checkout(version, tmp_path / "x", git=git) / "requirements.txt").exists()
    else:
        with pytest.raises(UnknownRef, match=lost[:12]):
            checkout(version, tmp_path / "x", git=git)


@pytest.mark.parametrize("trouble", ["missing", "down"])
def test_everything_is_not_fetched_where_one_commit_could_not_be_asked_for(
    host, old, git, tmp_path, monkeypatch, trouble
):
    fetches, run = [], Git.run

    def counted(self, *words, remote="", **more):
        fetches.extend([words] if remote else [])
        return run(self, *words, remote=remote, **more)

    if trouble == "down":
        host.stop()
    else:
        (host.root / "env").rename(host.root / "away")
    monkeypatch.setattr(Git, "run", counted)
    with pytest.raises(GitHostDown if trouble == "down" else RepoNotFound):
        checkout(old, tmp_path / "x", git=git)
    assert len(fetches) == 1


def test_only_one_commit_is_fetched_where_the_server_allows_it(host, old, git, tmp_path):
    host.requests.clear()
    checkout(old, tmp_path / "x", git=git)
    assert sum(line.startswith("POST") for line in host.requests) <= 2


def test_the_second_time_costs_no_network(host, old, git, tmp_path):
    checkout(old, tmp_path / "x", git=git)
    host.stop()
    assert checkout(old, tmp_path / "x", git=git) == tmp_path / "x"


def test_a_failure_leaves_nothing(host, old, git, tmp_path):
    into = tmp_path / "sources"
    with pytest.raises(UnknownRef):
        checkout(replace(old, commit="f" * 40), into / "x", git=git)
    with pytest.raises(RepoNotFound):
        checkout(replace(old, repo=host.url("nothing-here")), into / "x", git=git)
    host.stop()
    with pytest.raises(GitHostDown):
        checkout(old, into / "x", git=git)
    assert not list(into.iterdir())


def test_programs_stay_executable_and_links_stay_links(repo, url, git, tmp_path):
    (repo.folder / "postBuild").write_text("#!/bin/sh\n")
    (repo.folder / "postBuild").chmod(0o755)
    (repo.folder / "link").symlink_to("/etc/passwd")
    repo.commit({})
    folder = checkout(resolve_version(url, "main", git=git), tmp_path / "x", git=git)
    assert (folder / "postBuild").stat().st_mode & 0o111
    assert (folder / "link").is_symlink()


@pytest.mark.parametrize("kind", ["files", "folders"])
def test_folders_that_hold_each_other_without_end_are_refused(repo, url, git, tmp_path, kind):
    empty = repo.tree() if kind == "folders" else ""
    repo.set_head(repo.tree(("40000", "deep", repo.bomb(empty))))
    with pytest.raises(TooLarge):
        checkout(resolve_version(url, "main", git=git), tmp_path / "at/x", git=git)
    assert not list((tmp_path / "at").iterdir())


def test_files_that_are_small_only_while_they_are_packed_are_refused(repo, url, git, tmp_path):
    repo.commit({"zeros": bytes(30_000_000)})
    version = resolve_version(url, "main", git=git)
    with pytest.raises(TooLarge, match="19 MB and 1000000 files") as caught:
        checkout(version, tmp_path / "x", git=git, allowance=Allowance(20_000_000))
    assert "builds.largest" in caught.value.hint
    assert checkout(version, tmp_path / "x", git=git, allowance=Allowance(40_000_000))


@pytest.mark.parametrize("by_commit", [True, False])
def test_a_fetch_of_an_environment_is_cut_off_at_the_limit(
    host, repo, url, git, tmp_path, by_commit
):
    host.by_commit = by_commit
    repo.commit({"noise": os.urandom(3_000_000)})
    version = resolve_version(url, "main", git=git)
    with pytest.raises(TooLarge):
        checkout(version, tmp_path / "at/x", git=git, allowance=Allowance(1_000_000))
    assert not list((tmp_path / "at").iterdir())


def test_a_checkout_ends_where_the_disk_is_full(repo, url, git, tmp_path, monkeypatch):
    monkeypatch.setattr("envs.git.WATCH", 0.01)
    full = Allowance(room=Room(1 << 60, lambda: [tmp_path]))
    with pytest.raises(OverLimit, match="too little room"):
        checkout(resolve_version(url, "main", git=git), tmp_path / "at/x", git=git, allowance=full)
    assert not list((tmp_path / "at").iterdir())


def test_a_commit_of_many_files_is_refused(repo, url, git, tmp_path):
    repo.commit({f"{number}.txt": "x" for number in range(20)})
    version = resolve_version(url, "main", git=git)
    with pytest.raises(TooLarge, match="10 files"):
        checkout(version, tmp_path / "x", git=git, allowance=Allowance(files=10))


def test_a_process_of_git_has_so_much_memory(repo, url, git, tmp_path):
    repo.commit({"zeros": bytes(100_000_000)})
    version = resolve_version(url, "main", git=git)
    with pytest.raises(TooLarge):
        checkout(version, tmp_path / "x", git=replace(git, memory=60_000_000))
    assert checkout(version, tmp_path / "x", git=replace(git, memory=400_000_000))
