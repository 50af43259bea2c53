"""Submodules belong to a checkout, as far as links may fetch from their hosts."""

from __future__ import annotations

import pytest

from envs.checkout import Allowance, checkout
from envs.errors import BadEnvironment, GitHostDown, TooLarge
from envs.git import Git
from envs.readers import read_recipe
from envs.submodules import put_in_place, resolve_url
from envs.version import resolve_version
from tests.git_server import GitServer, Repo


@pytest.fixture
def parts(host):
    return Repo.create(host.root / "parts", {"requirements.txt": "cowsay\n"})


@pytest.fixture
def env(host):
    return Repo.create(host.root / "env", {"apt.txt": "tree\n"})


def add_submodule(repo, path, url, commit, text=""):
    """As `git submodule add` writes it, for any address."""
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    entry = text or f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'
    with (repo.folder / ".gitmodules").open("a") as file:
        file.write(entry)
    repo.git("add", ".gitmodules")
    repo.git("commit", "-q", "-m", "submodule")


def fetch(host, git, folder, name="env"):
    return checkout(resolve_version(host.url(name), "main", git=git), folder, git=git)


def head(repo):
    return repo.git("rev-parse", "HEAD").strip()


@pytest.mark.parametrize("relative", [True, False])
def test_a_submodule_is_there_at_its_commit(host, git, env, parts, tmp_path, relative):
    add_submodule(env, "lib/parts", "../parts" if relative else host.url("parts"), head(parts))
    parts.commit({"requirements.txt": "newer\n"})
    folder = fetch(host, git, tmp_path / "x")
    assert (folder / "lib/parts/requirements.txt").read_text() == "cowsay\n"
    assert not list(folder.rglob(".git"))
    assert not any("submodule" in said for said in read_recipe(folder).warnings)


def test_a_submodule_of_a_submodule_is_there(host, git, env, parts, tmp_path):
    middle = Repo.create(host.root / "middle", {"m": "1"})
    add_submodule(middle, "parts", "../parts", head(parts))
    add_submodule(env, "middle", "../middle", head(middle))
    folder = fetch(host, git, tmp_path / "x")
    assert (folder / "middle/parts/requirements.txt").exists()


def test_a_submodule_of_a_host_that_is_not_allowed_is_left_out_and_said(
    host, git, env, parts, tmp_path
):
    with GitServer(host.root) as other:
        add_submodule(env, "parts", other.url("parts"), head(parts))
        folder = fetch(host, git, tmp_path / "x")
        assert not other.requests
    assert list((folder / "parts").iterdir()) == []
    assert any("submodule parts is left out" in said for said in read_recipe(folder).warnings)


@pytest.mark.parametrize("url", ["/etc", "file:///etc", "ext::sh -c id", "git@127.0.0.1:x/y",
                                 "--upload-pack=id", "../nothing-here"])  # fmt: skip
def test_an_address_that_cannot_be_fetched_leaves_an_empty_folder(
    host, git, env, parts, tmp_path, url
):
    add_submodule(env, "parts", url, head(parts))
    folder = fetch(host, git, tmp_path / "x")
    assert list((folder / "parts").iterdir()) == []
    assert (folder / "apt.txt").exists()


def test_a_program_that_gitmodules_names_does_not_run(host, git, env, parts, tmp_path):
    mark = tmp_path / "ran"
    text = f'[submodule "p"]\n\tpath = p\n\turl = ../parts\n\tupdate = !touch {mark}\n'
    add_submodule(env, "p", "", head(parts), text)
    assert (fetch(host, git, tmp_path / "x") / "p/requirements.txt").exists()
    assert not mark.exists()


def test_a_submodule_without_gitmodules_is_an_empty_folder(host, git, env, parts, tmp_path):
    env.git("update-index", "--add", "--cacheinfo", f"160000,{head(parts)},parts")
    env.git("commit", "-q", "-m", "no .gitmodules")
    assert list((fetch(host, git, tmp_path / "x") / "parts").iterdir()) == []


def test_a_host_that_is_down_fails_the_checkout_rather_than_leaving_a_hole(
    host, env, parts, tmp_path
):
    with GitServer(host.root) as other:
        address = other.host
        add_submodule(env, "parts", other.url("parts"), head(parts))
    git = Git((host.host, address), timeout=120)
    with pytest.raises(GitHostDown):
        fetch(host, git, tmp_path / "sources" / "x")
    assert not list((tmp_path / "sources").iterdir())


def test_submodules_count_to_what_a_checkout_may_hold(host, git, env, parts, tmp_path):
    parts.commit({"zeros": bytes(600_000)})
    for name in ("one", "two"):
        add_submodule(env, name, "../parts", head(parts))
    version = resolve_version(host.url("env"), "main", git=git)
    with pytest.raises(TooLarge, match="submodules included"):
        checkout(version, tmp_path / "x", git=git, allowance=Allowance(1_000_000))
    assert checkout(version, tmp_path / "x", git=git, allowance=Allowance(2_000_000))


def twice(env, parts, outside, *, link_first=False):
    """`a` is a folder with the submodule `a/sbin`, and also a link to a folder of the host."""
    modules = '[submodule "p"]\n\tpath = a/sbin\n\turl = ../parts\n'
    listed = env.git("hash-object", "-w", "--stdin", stdin=modules.encode()).strip()
    inside = env.tree(("160000", "sbin", head(parts)))
    a = [("40000", "a", inside), ("120000", "a", env.link(str(outside)))]
    env.set_head(env.tree(("100644", ".gitmodules", listed), *(a[::-1] if link_first else a)))


@pytest.mark.parametrize("link_first", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_a_tree_that_holds_a_name_twice_leads_nowhere(
    host, git, env, parts, tmp_path, link_first, there
):
    outside = tmp_path / "outside"
    (outside / "sbin").mkdir(parents=True)
    if not there:
        (outside / "sbin").rmdir()
    before = sorted(outside.rglob("*"))
    twice(env, parts, outside, link_first=link_first)
    folder = fetch(host, git, tmp_path / "x")
    assert sorted(outside.rglob("*")) == before
    assert (folder / "a").is_symlink() is not link_first
    if link_first:
        assert (folder / "a/sbin/requirements.txt").exists()


def test_a_name_twice_in_a_submodule_leads_nowhere_either(host, git, env, parts, tmp_path):
    outside = tmp_path / "outside"
    (outside / "sbin").mkdir(parents=True)
    middle = Repo.create(host.root / "middle", {"m": "1"})
    twice(middle, parts, outside)
    add_submodule(env, "middle", "../middle", head(middle))
    folder = fetch(host, git, tmp_path / "x")
    assert (folder / "middle/a").is_symlink()
    assert list((outside / "sbin").iterdir()) == []


@pytest.mark.parametrize("path", ["a/lib", "a", "a/../lib", "../lib", "missing/lib", "full"])
def test_files_go_only_where_an_empty_folder_of_the_checkout_is(tmp_path, path):
    outside, made, files = (tmp_path / name for name in ("outside", "at/made", "at/files"))
    for folder in (outside / "lib", tmp_path / "at/lib", made / "full", files):
        folder.mkdir(parents=True)
    (made / "full/file").touch()
    (made / "a").symlink_to(outside)
    with pytest.raises(BadEnvironment, match="no place of its own"):
        put_in_place(files, made, path)
    assert files.exists()
    assert (outside / "lib").exists()


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("../other", "https://h/org/other"),
        ("../../two/other.git", "https://h/two/other.git"),
        ("./inside", "https://h/org/env/inside"),
        ("https://elsewhere/x", "https://elsewhere/x"),
    ],
)
def test_relative_addresses_begin_at_the_repository(url, whole):
    assert resolve_url("https://h/org/env", url) == whole
