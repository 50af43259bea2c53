"""Images without an engine: venvs that hold what an environment's files ask for."""

from __future__ import annotations

import shutil
import subprocess
import tracemalloc
import uuid
from dataclasses import replace

import pytest

from envs.errors import BuildCancelled, BuildFailed, NotOffered, OverLimit
from envs.halt import Halt
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.local.images import write_inside
from tests.private_index import CREDENTIALS, PASSWORD, private_index
from tests.processes import runs
from tests.waiting import limit_once

pytestmark = pytest.mark.slow

YML = "dependencies: [python, pip: [cowsay==6.1]]\nvariables: {GREETING: hello}\n"
SETUP = "from setuptools import setup\nsetup(name='mine', version='1', py_modules=['mine'])\n"


@pytest.fixture(scope="module")
def images(local_root):
    """Small ones: nothing here is about JupyterLab, which is most of a venv."""
    server = ["jupyter-server>=2,<3", "ipykernel>=6.29"]
    folder = local_root / "local-images"
    config = load_config(data=str(folder), runtime="local", base__server=server)
    yield RUNTIMES["local"](config, uuid.uuid4().hex[:12]).images
    shutil.rmtree(folder)


def build(images, root, lock="", cache="tests", **files):
    root.mkdir()
    for name, text in files.items():
        (root / name.replace("_dot_", ".")).write_text(text)
    recipe = replace(read_recipe(root), lock=lock)
    assert images.plan(recipe, root)
    name = f"env/test:{uuid.uuid4().hex[:12]}"
    images.build(name, recipe, source=root, labels={}, say=print, cache=cache)
    return name


def python(images, name, code):
    program = images.place(name) / "venv/bin/python"
    done = subprocess.run([program, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("script", ["sleep 1000", "while :; do echo x; sleep 0.1; done"])
@pytest.mark.parametrize("wish", [True, False], ids=["cancelled", "too long"])
def test_a_build_ends_by_a_wish_and_at_its_time_limit(images, tmp_path, monkeypatch, script, wish):
    mark = uuid.uuid4().hex
    (tmp_path / "postBuild").write_text(f"(exec -a {mark} sleep 1000) &\n{script}\n")
    recipe = read_recipe(tmp_path)
    halt = Halt(lambda: wish and runs(mark))
    if not wish:
        limit_once(lambda: runs(mark), monkeypatch)
    with pytest.raises(BuildCancelled if wish else OverLimit):
        images.build("env/test:x", recipe, source=tmp_path, labels={}, say=print, halt=halt)
    assert not runs(mark)
    assert images.find_image("env/test:x") is None
    assert not list((images.folder / "built").glob("*-home"))


ENDLESS = """\
import sys
print("an error of long ago")
for _ in range(100_000):
    print("y" * 100)
for _ in range(30):
    sys.stdout.write("x" * 1_000_000)
sys.exit(3)
"""


def test_a_build_that_prints_without_end_fills_no_memory(images, tmp_path):
    (tmp_path / "postBuild").write_text(f"#!/usr/bin/env python3\n{ENDLESS}")
    recipe, longest = read_recipe(tmp_path), []

    def say(line):
        longest[:] = [max(len(line), *longest, 0)]

    tracemalloc.start()
    try:
        with pytest.raises(BuildFailed, match="an error of long ago") as caught:
            images.build("env/test:x", recipe, source=tmp_path, labels={}, say=say)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert longest[0] <= 10_000
    assert len(caught.value.log_tail) == 20


def test_an_environment_yml_of_pip_packages_is_built(images, tmp_path):
    name = build(images, tmp_path / "repo", environment_dot_yml=YML)
    assert python(images, name, "import cowsay; print(cowsay.__version__)") == "6.1"
    assert images.variables(name) == {"GREETING": "hello"}


def test_a_repository_that_is_a_package_is_installed(images, tmp_path):
    name = build(images, tmp_path / "repo", setup_dot_py=SETUP, mine_dot_py="x = 42\n")
    assert python(images, name, "import mine; print(mine.x)") == "42"


def test_a_build_keeps_to_a_lock_and_makes_one(images, tmp_path):
    name = build(images, tmp_path / "repo", lock="six==1.15.0\n", requirements_dot_txt="six\n")
    assert "six==1.15.0" in images.lock(name).splitlines()
    (tmp_path / "secret").write_text("secret")
    lock = images.place(name) / "launcher.lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "secret")
    assert images.lock(name) == ""


# Runs while uv makes a wheel of the repository, as the user whom all caches belong to.
EVIL = """\
import glob, os
from setuptools import setup
for path in glob.glob(os.environ["UV_CACHE_DIR"] + "/../cache*/archive-v0/*/six.py"):
    with open(path, "a") as file:
        print("EVIL = True", file=file)
setup(name="mine", version="1", py_modules=[])
"""


def test_what_setup_code_puts_into_a_cache_is_for_builds_that_share_it(images, tmp_path):
    if not images.sandbox.bwrap:
        pytest.skip("nothing keeps builds apart here")
    build(images, tmp_path / "mine", cache="mine", requirements_dot_txt="six==1.16.0\n")
    evil = {"requirements_dot_txt": "six==1.16.0\n", "setup_dot_py": EVIL}
    build(images, tmp_path / "evil", cache="theirs", **evil)
    for cache, expected in (("theirs", "True"), ("mine", "False")):
        name = build(
            images, tmp_path / f"again-{cache}", cache=cache, requirements_dot_txt="six==1.16.0\n"
        )
        assert python(images, name, "import six; print(hasattr(six, 'EVIL'))") == expected


def test_caches_that_are_too_large_go_together(images, tmp_path):
    build(images, tmp_path / "a", cache="a", requirements_dot_txt="six\n")
    build(images, tmp_path / "b", cache="b", requirements_dot_txt="six\n")
    seen = images.sweep(older=3600, cache=1 << 50, dry_run=False)
    assert not [row for row in seen if row[0] == "package cache"]
    rows = [row for row in images.sweep(older=3600, cache=1000, dry_run=False) if row[2]]
    assert len([row for row in rows if row[0] == "package cache"]) >= 2
    assert not [row for row in images.sweep(older=0, cache=1, dry_run=True) if row[2]]


def test_an_environment_whose_kernel_does_not_start_is_never_ready(images, tmp_path):
    broken = 'rm -rf "$VIRTUAL_ENV"/lib/python*/site-packages/ipykernel'
    with pytest.raises(BuildFailed, match="its kernel does not"):
        build(images, tmp_path / "repo", postBuild=broken)
    assert not list(images.folder.glob("env_test_*.new"))


def test_r_is_refused_by_its_file_with_the_way_out(images, tmp_path):
    (tmp_path / "install.R").write_text("")
    with pytest.raises(NotOffered, match=r"install\.R asks for R") as caught:
        images.plan(read_recipe(tmp_path), tmp_path)
    assert "runtime: docker" in caught.value.hint


def test_what_is_written_into_a_checkout_follows_no_link(tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "repo/list").symlink_to(tmp_path / "victim")
    write_inside(tmp_path / "repo", "list", "x")
    assert (tmp_path / "victim").read_text() == "mine"
    (tmp_path / "repo/binder").symlink_to(tmp_path)
    with pytest.raises(BuildFailed, match="leads out"):
        write_inside(tmp_path / "repo", "binder/victim", "x")


def test_a_failure_says_its_code_and_the_log_no_place_of_this_machine(images, tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/requirements.txt").write_text("nosuchpackage-xyz-123\n")
    log = []
    with pytest.raises(BuildFailed, match="uv failed with exit code 1: error: No solution found"):
        images.build(
            "env/test:x", read_recipe(tmp_path / "repo"), source=tmp_path / "repo", labels={},
            say=log.append,
        )  # fmt: skip
    assert log[0].startswith("$ uv venv")
    assert str(images.folder) not in "\n".join(log)


def test_credentials_of_an_index_serve_the_install_alone(images, tmp_path, monkeypatch, capsys):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login reader password {PASSWORD}\n")
    monkeypatch.setattr(images, "netrc", netrc)
    with private_index() as url:
        name = build(
            images,
            tmp_path / "repo",
            requirements_dot_txt=f"--extra-index-url {url}\nprivate-course==1.0\n",
            postBuild='test -z "$NETRC"\n',
        )
    assert python(images, name, "import private_course as p; print(p.x)") == "42"
    left = subprocess.run(
        ["grep", "-rlaE", f"{PASSWORD}|{CREDENTIALS}", images.folder], capture_output=True
    )
    assert left.stdout == b""
    assert PASSWORD not in capsys.readouterr().out
    assert not list(images.folder.glob("secret-*"))
