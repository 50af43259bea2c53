"""Images by a real engine: what the files of an environment promise holds in the container."""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

import envs
from envs.errors import BadEnvironment, BuildCancelled, BuildFailed, NotOffered, OverLimit
from envs.halt import NO_HALT, Halt
from envs.readers import read_recipe
from launcher.config import load_config
from launcher.runtimes import RUNTIMES
from launcher.runtimes.docker.context import not_ignored, with_arguments
from launcher.runtimes.docker.delegate import Delegate
from tests.containers import printed
from tests.processes import runs
from tests.waiting import wait_for

pytestmark = pytest.mark.docker
PACKAGES = "/srv/env/lib/python3.11/site-packages"
SAMPLES = Path(envs.__file__).parent / "samples"


@pytest.fixture(scope="module")
def images(data_root):
    config = load_config(data=str(data_root / "docker-images"), runtime="docker")
    images = RUNTIMES["docker"](config, uuid.uuid4().hex[:12]).images
    yield images
    images.client.close()


@pytest.fixture
def build(images, tmp_path):
    """Build a folder of files as an environment; the image is removed afterwards."""
    name = f"env/test:{uuid.uuid4().hex[:12]}"
    log = []

    def build(files, *, sample="", lock="", halt=NO_HALT):
        source = tmp_path / "source"
        shutil.copytree(SAMPLES / sample, source) if sample else source.mkdir()
        for path, content in files.items():
            (source / path).parent.mkdir(exist_ok=True)
            (source / path).write_bytes(content.encode())
        recipe = replace(read_recipe(source), lock=lock)
        how = {"labels": {"launcher.env.name": name}, "say": log.append, "halt": halt}
        return images.build(name, recipe, source=source, cache="tests", **how)

    build.name, build.log = name, log
    yield build
    images.remove_image(name)


def test_the_dockerfile_that_it_would_build_can_be_read(images, tmp_path):
    (tmp_path / "apt.txt").write_text("tree\n")
    text = images.dockerfile(read_recipe(tmp_path), source=tmp_path)
    assert text.startswith(f"FROM {images.bases.base('3.11').name}\n")
    assert "tree" in text


def inside(images, name, *command, **options):
    """What a command prints in a new container, as a session's user."""
    user = {"user": "1000:1000", "network_mode": "none"}
    return printed(images.client, name, command, **user, **options).decode()


@pytest.mark.parametrize("sample", ["requirements", "postbuild", "dockerfile"])
def test_each_sample_is_built_and_has_its_package(images, build, sample):
    image = build({}, sample=sample)
    assert "6.1" in inside(images, image.name, "python", "-c",
                           "import cowsay; print(cowsay.__version__)")  # fmt: skip


def test_what_ran_in_the_build_is_there_and_the_home_is_empty(images, build):
    image = build(
        {
            "binder/apt.txt": "tree # a tool\n",
            "binder/postBuild": "set -e\r\nid -u > made-by\r\npwd >> made-by\r\n",
            "binder/start": 'export FROM_START="set here"\nexec "$@"\n',
        }
    )
    script = "cat /srv/repo/made-by; command -v tree; ls -A $HOME | wc -l; echo $FROM_START"
    assert inside(images, image.name, "sh", "-c", script).split("\n")[:5] == [
        "1000", "/srv/repo", "/usr/bin/tree", "0", "set here",
    ]  # fmt: skip


def test_requirements_may_name_other_files_of_the_repository(images, build):
    image = build({"requirements.txt": "-r more/list.txt\n", "more/list.txt": "cowsay==6.1\n"})
    assert "cowsay" in inside(images, image.name, "python", "-c", "import cowsay; print(cowsay)")


def test_a_build_keeps_to_a_lock_and_makes_one(images, build):
    image = build({"requirements.txt": "six\n"}, lock="six==1.15.0\n")
    assert "six==1.15.0" in images.lock(image.name).splitlines()
    assert any(line.startswith("jupyterlab==4") for line in images.lock(image.name).splitlines())
    assert images.lock("env/none:at-all") == ""


@pytest.fixture
def closed_umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_dockerfile_copies_what_only_the_launcher_may_read(images, build, closed_umask):
    dockerfile = "FROM launcher/base:3.11\nUSER 1000\nCOPY . /srv/repo\nRUN cat /srv/repo/notes/a\n"
    image = build({"Dockerfile": dockerfile, "notes/a": "mine\n"})
    script = "cat /srv/repo/notes/a; stat -c %a /srv/repo/notes /srv/repo/notes/a"
    assert inside(images, image.name, "sh", "-c", script).split() == ["mine", "755", "644"]


def test_an_image_that_is_removed_while_all_are_listed_is_left_out(images, build, monkeypatch):
    image = build({})
    listed, gone = images.client.api.images, {"Id": f"sha256:{'0' * 64}"}
    monkeypatch.setattr(images.client.api, "images", lambda **how: [gone, *listed(**how)])
    assert image.name in {one.name for one in images.list_images()}


SETUP = "from setuptools import setup\nsetup(name='mine', version='1', py_modules=['mine'])\n"
PYTHON = """
dependencies:
  - python=3.11
  - pip:
    - -r more.txt
variables:
  GREETING: "it's \\"$HOME\\""
"""


def test_an_environment_yml_of_pip_packages_is_built(images, build):
    image = build({"binder/environment.yml": PYTHON, "binder/more.txt": "cowsay==6.1\n"})
    script = "import cowsay, os; print(cowsay.__version__, os.environ['GREETING'])"
    assert inside(images, image.name, "python", "-c", script).strip() == '6.1 it\'s "$HOME"'


def test_a_repository_that_is_a_package_is_installed(images, build):
    image = build({"setup.py": SETUP, "mine.py": "x = 42\n", "Pipfile.orig": ""})
    assert "42" in inside(images, image.name, "python", "-c", "import mine; print(mine.x)")


def test_a_student_can_install_a_package_with_uv(images, build):
    image = build({})
    script = "touch /tmp/uv-cache/x && uv pip install --dry-run --offline pip && echo fine"
    assert "fine" in inside(images, image.name, "sh", "-c", script)


def test_bytecode_is_compiled_in_the_build(images, build):
    image = build({}, sample="requirements")
    found = inside(images, image.name, "sh", "-c",
                   "ls /srv/env/lib/python3.11/site-packages/cowsay/__pycache__")  # fmt: skip
    assert ".pyc" in found


def test_the_legacy_builder_makes_the_same_environment(images, build, monkeypatch):
    monkeypatch.setattr(images, "engine", replace(images.engine, legacy=True))
    image = build({"apt.txt": "tree\n", "postBuild": "touch done\n"}, sample="requirements")
    script = "python -c 'import cowsay' && ls /srv/repo && command -v tree && ls -A /tmp/uv-cache"
    said = inside(images, image.name, "sh", "-c", script).split()
    assert "done" in said
    assert said[-1] == "/usr/bin/tree", "a cache in the image would only be weight"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"requirements.txt": "cowsay==0.0.0.999\n"}, "cowsay"),
        ({"postBuild": "#!/bin/bash\necho before\nexit 3\n"}, "before"),
        ({"Dockerfile": "FROM launcher/base:3.11\nRUN rm -rf /srv/env/bin\n"}, "python3|Jupyter"),
        ({"requirements.txt": "traitlets==4.3.3\n"}, "do not fit together"),
        ({"postBuild": f"rm -rf {PACKAGES}/ipykernel\n"}, "its kernel does not start"),
        ({"postBuild": f"rm -rf {PACKAGES}/jupyter_server\n"}, "its server does not answer"),
    ],
)
def test_a_build_that_fails_says_why_and_leaves_no_image(images, build, files, said):
    with pytest.raises(BuildFailed) as caught:
        build(files)
    text = "\n".join([caught.value.message, *caught.value.log_tail, *build.log])
    assert any(word in text for word in said.split("|"))
    assert images.find_image(build.name) is None
    assert not images.client.api.images(filters={"label": f"launcher.env.name={build.name}"})


def test_a_python_that_is_not_offered_names_those_that_are(images, build, monkeypatch):
    monkeypatch.setattr(images, "delegate", Delegate(allowed=False))
    with pytest.raises(NotOffered) as caught:
        build({"runtime.txt": "python-2.7\n"})
    assert "3.11" in caught.value.hint


@pytest.mark.parametrize("modern", [True, False], ids=["buildkit", "legacy"])
@pytest.mark.parametrize("command", ["while :; do echo x; sleep 0.2; done", "sleep 30"])
def test_a_build_ends_at_its_time_limit(images, build, monkeypatch, modern, command):
    limited = replace(images.engine, legacy=not modern, timeout=4.0)
    monkeypatch.setattr(images, "engine", limited)
    text = f"FROM launcher/base:3.11\nRUN : {uuid.uuid4().hex}; {command}\n"
    with pytest.raises(OverLimit, match="longer than 4 s"):
        build({"Dockerfile": text})
    assert images.find_image(build.name) is None


@pytest.mark.parametrize("modern", [True, False], ids=["buildkit", "legacy"])
def test_a_silent_build_can_be_cancelled_and_its_step_ends(images, build, monkeypatch, modern):
    monkeypatch.setattr(images, "engine", replace(images.engine, legacy=not modern))
    mark = str(uuid.uuid4().int % 10**9 + 10**9)
    text = f"FROM launcher/base:3.11\nRUN sleep {mark}\n"
    with pytest.raises(BuildCancelled):
        build({"Dockerfile": text}, halt=Halt(lambda: runs(f"sleep {mark}")))
    wait_for(lambda: not runs(f"sleep {mark}"), 60)


NO_GIT = "FROM launcher/base:3.11\nUSER root\nRUN apt-get purge -y -qq git >/dev/null\nUSER 1000\n"


def test_an_image_without_git_gets_it_in_a_layer_of_its_own(images, build):
    image = build({"Dockerfile": NO_GIT})
    assert "git version" in inside(images, image.name, "git", "--version")
    assert any("no git" in line for line in build.log)
    assert images.client.images.get(image.name).attrs["Config"]["User"] == "1000"
    assert images.client.images.get(image.name).labels["launcher.env.name"] == build.name


def test_where_git_cannot_be_added_the_build_says_so(images, build):
    gone = NO_GIT.replace("USER 1000", "RUN rm -f $(command -v apt-get)\nUSER 1000")
    with pytest.raises(BuildFailed) as caught:
        build({"Dockerfile": gone})
    assert "no package manager" in "\n".join([caught.value.message, *build.log])


def test_certificates_reach_an_image_that_is_not_made_from_ours(
    images, build, monkeypatch, tmp_path
):
    """As with a campus proxy: the image stands on Debian alone, with a server of its own."""
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    name = images.bases.base("3.11").name
    text = f"FROM {name}\nUSER root\nRUN rm -f /usr/local/share/launcher-ca.crt\nUSER 1000\n"
    monkeypatch.setattr(images, "ca_bundle", tmp_path / "ca.pem")
    image = build({"Dockerfile": text})
    said = inside(images, image.name, "sh", "-c", "cat $SSL_CERT_FILE; cat $GIT_SSL_CAINFO")
    assert said.count("BEGIN CERTIFICATE") == 2


def test_what_dockerignore_names_stays_out(images, build):
    image = build(
        {
            ".dockerignore": "# large things\ndata\n*.log\n!keep.log\n",
            "data/big.csv": "1",
            "a.log": "",
            "keep.log": "",
            "b.txt": "",
            "Dockerfile": "FROM launcher/base:3.11\nCOPY . /srv/repo/\n",
        }
    )
    found = set(inside(images, image.name, "ls", "-A", "/srv/repo").split())
    assert {"b.txt", "keep.log", "Dockerfile"} <= found
    assert not found & {"data", "a.log"}


def test_a_new_base_makes_a_new_image_of_a_dockerfile_that_begins_with_it(images, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM launcher/base:3.11\n")
    recipe = read_recipe(tmp_path)
    before = images.plan(recipe, tmp_path)
    assert images.plan(recipe, tmp_path) == before
    settings = replace(images.bases.settings, server=("jupyter-server",))
    changed = replace(images, bases=replace(images.bases, settings=settings))
    assert changed.plan(recipe, tmp_path) != before


def test_a_base_may_be_named_by_an_argument():
    lines = ["ARG PY=3.11", "from --platform=linux/amd64 launcher/base:${PY} AS x", "RUN $PY"]
    assert "launcher/base:3.11" in with_arguments(lines)


@pytest.mark.parametrize("text", ["*a" * 8 + "Z", "**/" * 12 + "x", "[z-a]", "x\n" * 600])
def test_a_dockerignore_that_takes_for_ever_is_refused(images, tmp_path, text):
    (tmp_path / ".dockerignore").write_text(text)
    (tmp_path / ("a" * 40)).write_text("")
    with pytest.raises(BadEnvironment, match="dockerignore"):
        not_ignored(tmp_path, "Dockerfile")


def test_a_dockerignore_that_leads_elsewhere_is_refused(images, tmp_path):
    (tmp_path / ".dockerignore").symlink_to("/dev/zero")
    with pytest.raises(BadEnvironment, match="out of the repository"):
        not_ignored(tmp_path, "Dockerfile")
