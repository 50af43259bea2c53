"""What a link needs is looked at before it is shared, each in a sentence."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from envs.channels import Channels
from envs.git import Git
from envs.store import Store
from envs.version_cache import VersionCache
from launcher.asking import Asking
from launcher.content.mirror import Mirrors
from launcher.content.size import SizeLimits
from launcher.environment import Environments
from launcher.links.looking import Looking
from launcher.links.preflight import (
    Preflight,
    app_checks,
    kernel_checks,
    page_checks,
    size_check,
    solution_checks,
)
from launcher.prebuild import Prebuild
from launcher.settings.entries import CatalogueEntry
from link_generator.content import Content
from link_generator.link import Link
from tests.envs.fake_builder import FileBuilder
from tests.git_server import GitServer, Repo
from tests.waiting import wait_for


def notebook(kernel):
    return json.dumps({"cells": [], "metadata": {"kernelspec": {"name": kernel}}})


@pytest.fixture
def host(tmp_path):
    (tmp_path / "git").mkdir()
    with GitServer(tmp_path / "git") as server:
        Repo.create(server.root / "env", {"requirements.txt": "one\n"}, tag="v1")
        files = {"wk1/intro.ipynb": notebook("python3"), "wk1/intro_solution.ipynb": "{}"}
        Repo.create(server.root / "course", files)
        yield server


@pytest.fixture
def preflight(tmp_path, host):
    git = Git((host.host,))
    (tmp_path / "images").mkdir()
    store = Store(tmp_path / "builds", FileBuilder(tmp_path / "images"), git, poll=0.01)
    versions = VersionCache(git)
    environments = Environments(
        {"intro": CatalogueEntry(host.url("env"), "v1")},
        Channels(tmp_path / "channels.json"),
        versions,
        store,
        Prebuild(lambda repo, ref: None),
    )
    return Preflight(
        Looking(environments, Mirrors(tmp_path / "content", git), Asking(), patience=60.0)
    )


def states(preflight, link):
    return {one.name: one.state for one in preflight.check(link)}


def by_name(preflight, link, name):
    return next(one for one in preflight.check(link) if one.name == name)


def test_a_link_that_works_says_so(preflight, host):
    link = Link("intro", repo=host.url("course"), path="wk1/intro.ipynb")
    store, versions = preflight.looking.environments.store, preflight.looking.environments.versions
    first = by_name(preflight, link, "environment")
    assert first.state == "warn"
    assert "not built yet" in first.sentence
    store.ensure_image(versions.resolve(host.url("env"), "v1"), say=list)
    assert states(preflight, link) == {
        "environment": "ok", "content": "ok", "path": "ok", "kernel": "ok", "size": "ok",
        "solutions": "warn",
    }  # fmt: skip
    assert store.builder.count() == 1, "looking builds nothing"


def test_what_is_missing_is_named_with_what_exists(preflight, host):
    found = by_name(preflight, Link("nothing"), "environment")
    assert (found.state, found.hint) == ("fail", "Known here: intro.")
    link = Link("intro", repo=host.url("course"), path="wk1/intor.ipynb")
    found = by_name(preflight, link, "path")
    assert found.state == "fail"
    assert "Did you mean 'wk1/intro.ipynb'?" in found.hint
    found = by_name(preflight, Link("intro", repo=host.url("course"), branch="mian"), "branch")
    assert found.state == "fail"
    assert "main" in found.hint
    found = by_name(preflight, Link("intro", repo=host.url("none")), "repo")
    assert found.state == "fail"


def test_a_build_that_failed_or_runs_is_told(preflight, host, tmp_path):
    env = Repo(host.root / "env")
    env.commit({"requirements.txt": "broken\n"})
    env.git("tag", "v2")
    store, versions = preflight.looking.environments.store, preflight.looking.environments.versions
    with pytest.raises(Exception, match="broken"):
        store.ensure_image(versions.resolve(host.url("env"), "v2"), say=list)
    found = by_name(preflight, Link("intro", "v2"), "environment")
    assert found.state == "fail"
    assert "broken is not a package" in found.sentence
    env.commit({"requirements.txt": "slow\n"})
    env.git("tag", "v3")
    gate = threading.Event()
    store.builder.goes_on = gate.is_set
    with ThreadPoolExecutor(1) as pool:
        built = pool.submit(
            store.ensure_image, versions.resolve(host.url("env"), "v3"), say=lambda line: None
        )
        wait_for(lambda: store.builder.count() == 2)
        found = by_name(preflight, Link("intro", "v3"), "environment")
        assert "is being built" in found.sentence
        assert "Share it now" in found.hint
        gate.set()
        built.result()


def test_a_private_address_is_never_asked(preflight):
    link = Link("intro", repo="http://10.1.2.3/course")
    began = time.monotonic()
    found = [one for one in preflight.check(link) if "does not fetch from" in one.sentence]
    assert found
    assert time.monotonic() - began < 30, "a connection would wait for its time limit"


def test_the_folder_alone_counts_where_students_get_no_more(preflight, host):
    Repo(host.root / "course").commit({"key/answers.txt": "42"})
    link = Link("intro", repo=host.url("course"), only="wk1")
    (seen,) = [one for one in preflight.check(link) if one.name == "solutions"]
    assert seen.near == ("wk1/intro_solution.ipynb",)


def test_content_that_no_click_would_give_fails(preflight, host):
    url = host.url("course")
    Repo.create(host.root / "much", {f"f{n}": "x" for n in range(9)} | {"wk1/a.md": "x"})
    preflight.looking.mirrors.size = SizeLimits(files=5)
    much = Link(env="intro", repo=host.url("much"))
    told = by_name(preflight, much, "size")
    assert told.state == "fail"
    assert "in 10 files; this server gives at most 5 files" in told.sentence
    assert "content.files" in told.hint
    for fits in (replace(much, only="wk1"), Link(env="intro", repo=url)):
        assert states(preflight, fits)["size"] == "ok"
    more = Link(env="intro", repo=url, more=(Content(host.url("much")),))
    assert "fail" in [one.state for one in preflight.check(more) if one.name == "size"]


def test_bands_of_size_each_have_advice():
    assert size_check({"a": 9_000_000}).state == "ok"
    assert "in 1 file (" in size_check({"a": 9_000_000}).sentence
    assert "medium" in size_check({"a": 9_000_000, "b": 9_000_000}).sentence
    assert "large" in size_check({"a": 200_000_000}).sentence


@pytest.mark.parametrize(
    ("name", "seen"),
    [("week1_solution.ipynb", True), ("Solutions.md", True), ("answers.txt", True),
     ("wk1-key.ipynb", True), ("keyboard.py", False), ("monkey.png", False), ("a.ipynb", False)],
)  # fmt: skip
def test_files_like_solutions_are_pointed_at(name, seen):
    assert bool(solution_checks([f"folder/{name}"])) == seen


def test_kernels_are_looked_for_in_the_environment():
    assert kernel_checks(notebook("python3"), "")[0].state == "ok"
    assert kernel_checks(notebook("ir"), "")[0].state == "warn"
    lock = "https://h/noarch/r-irkernel-1.3.2-0.conda#" + "0" * 64
    assert kernel_checks(notebook("ir"), lock)[0].state == "ok"
    assert kernel_checks("not a notebook", "") == []
    assert kernel_checks("[" * 100_000, "") == []


def test_apps_are_looked_for_in_the_environment():
    assert app_checks(Link("intro"), "") == []
    assert app_checks(Link("intro", app="rstudio"), "")[0].state == "warn"
    assert app_checks(Link("intro", app="rstudio"), "six==1\n")[0].state == "fail"
    lock = "jupyter-rsession-proxy==2.2\n"
    assert app_checks(Link("intro", app="rstudio"), lock)[0].state == "ok"


def test_a_page_of_another_program_needs_its_package():
    proxy = Link("intro", urlpath="proxy/8501/")
    assert page_checks(Link("intro"), "") == []
    assert page_checks(proxy, "")[0].state == "warn"
    assert page_checks(proxy, "numpy==1\n")[0].state == "fail"
    assert page_checks(proxy, "jupyter-server-proxy==4.1\n")[0].state == "ok"
    assert page_checks(Link("intro", urlpath="dash"), "numpy==1\n")[0].state == "warn"
