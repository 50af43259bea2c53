"""What makes starts fast takes nothing away that an environment asks for."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

import pytest

from envs.base import LEAN, clean_root, lean
from envs.recipe import Recipe
from launcher.config import load_config
from launcher.runtimes.docker import create

OFF = "jupyter_server_config.d/zz-launcher.json"
HELPERS = """
SLOW = "slow"
from pathlib import Path

def is_valid_syntax(term, value):
    return value.startswith(term)
"""


@pytest.fixture
def jupyter(tmp_path, monkeypatch):
    """The server's settings; its extensions are those of a fresh base."""
    folder = tmp_path / "etc/jupyter"
    (folder / "jupyter_server_config.d").mkdir(parents=True)
    (folder / "jupyter_server_config.d/notebook_shim.json").write_text("{}")
    monkeypatch.setattr(lean, "JUPYTER", folder)
    monkeypatch.setattr(lean, "has_language_server", lambda: False)
    monkeypatch.setattr(lean, "has_old_settings", lambda: False)
    return folder


def switched(jupyter):
    return json.loads((jupyter / OFF).read_text())["ServerApp"]["jpserver_extensions"]


def repo_with(tmp_path, name, text):
    path = tmp_path / "repo" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return tmp_path / "repo"


def test_what_nobody_asked_for_is_off(jupyter, tmp_path):
    lean.environment(repo_with(tmp_path, "requirements.txt", "numpy\n"))
    assert switched(jupyter) == {"jupyter_lsp": False, "notebook_shim": False}


@pytest.mark.parametrize(
    ("name", "text"),
    [("requirements.txt", "jupyter-lsp\n"), ("binder/environment.yml", "- jupyterlab_lsp=5")],
)
def test_language_servers_stay_where_the_environment_names_them(jupyter, tmp_path, name, text):
    lean.environment(repo_with(tmp_path, name, text))
    assert switched(jupyter) == {"notebook_shim": False}


def test_language_servers_stay_where_one_is_installed(jupyter, tmp_path, monkeypatch):
    monkeypatch.setattr(lean, "has_language_server", lambda: True)
    lean.environment(tmp_path)
    assert switched(jupyter) == {"notebook_shim": False}


def test_old_settings_keep_what_reads_them(jupyter, tmp_path):
    lean.environment(repo_with(tmp_path, "postBuild", "echo 'c.NotebookApp.token=1' > x.py\n"))
    assert switched(jupyter) == {"jupyter_lsp": False}


def test_a_place_without_a_server_gets_no_settings(jupyter, tmp_path):
    (jupyter / "jupyter_server_config.d/notebook_shim.json").unlink()
    lean.environment(tmp_path)
    assert not (jupyter / OFF).exists()


@pytest.mark.parametrize(("first", "lazy"), [("from .syntax_helpers import *", True), ("", False)])
def test_the_slow_package_loads_when_it_is_used(tmp_path, first, lazy):
    package = tmp_path / "rfc3987_syntax"
    package.mkdir()
    (package / "__init__.py").write_text(f"{first}\n")
    (package / "syntax_helpers.py").write_text(HELPERS)
    code = f"""
import runpy, sys
runpy.run_path({str(LEAN)!r}, run_name="lean")["make_lazy"]()
for name in [one for one in sys.modules if one.startswith("rfc3987")]:
    del sys.modules[name]
import rfc3987_syntax
print("rfc3987_syntax.syntax_helpers" in sys.modules, hasattr(rfc3987_syntax, "other"))
from rfc3987_syntax import is_valid_syntax
print(is_valid_syntax("iri", "iri:x"), is_valid_syntax("iri", "x"))
from rfc3987_syntax import *
print(SLOW, Path.__name__)
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    if lazy:
        assert done.stdout.split("\n")[:3] == ["False False", "True False", "slow Path"], done
    else:  # another version is left as it is
        assert (package / "__init__.py").read_text() == "\n"


def test_a_root_loses_its_documents_and_nothing_of_this_machine(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "changelog").write_text("x")
    root = tmp_path / "root"
    (root / "etc/dpkg/dpkg.cfg.d").mkdir(parents=True)
    for name in ("usr/share/doc/git/copyright", "usr/share/doc/git/changelog.gz",
                 "usr/share/man/man1/git.1.gz", "usr/share/locale/de/LC_MESSAGES/git.mo",
                 "var/cache/apt/archives/git.deb", "var/lib/dpkg/status"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    (root / "usr/share/doc/other").symlink_to(outside)
    clean_root(root)
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert left == ["etc/dpkg/dpkg.cfg.d/launcher", "usr/share/doc/git/copyright",
                    "var/lib/dpkg/status"]  # fmt: skip
    assert (root / "usr/share/man/man1").is_dir()  # some packages make links in it
    assert (outside / "changelog").exists()


CHECKS = """
import glob, importlib.util, json, subprocess, sys, time, urllib.error, urllib.request
import jsonschema
from jupyter_events.validators import draft7_format_checker as formats
print("lark" in sys.modules)
print([formats.conforms(value, "uri") for value in ("https://example.org/a", "not a uri")])
print([formats.conforms(value, "iri") for value in ("http://example.org/\\u00fc", "not an iri")])
site = jsonschema.__path__[0].rpartition("/")[0]
names = ("packaging/version", "six", "pip/__init__", "jupyter_server/serverapp")
print([name for name in names if not glob.glob(importlib.util.cache_from_source(
    site + "/" + name + ".py"))])
said = subprocess.run(["jupyter-server", "extension", "list"], capture_output=True, text=True)
rows = [line.split()[:2] for line in (said.stdout + said.stderr).splitlines() if "abled" in line]
print(json.dumps({name: "enabled" in state for name, state in rows}))
server = subprocess.Popen(["jupyter-server", "--ServerApp.token=t", "--ServerApp.port=8899"],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
def status(token):
    asked = urllib.request.Request("http://127.0.0.1:8899/launcher/rouse")
    asked.add_header("Authorization", "token " + token)
    try:
        return urllib.request.urlopen(asked).status
    except urllib.error.HTTPError as error:
        return error.code
for _ in range(600):
    try:
        print([status("t"), status("other")])
        break
    except urllib.error.URLError:
        time.sleep(0.1)
server.terminate()
import launcher_rouse
from nbformat.sign import SQLiteSignatureStore
launcher_rouse.spare_the_disk()
store = SQLiteSignatureStore("/tmp/trusted.db")
store.store_signature("abc", "sha256")
print(store.db.execute("PRAGMA synchronous").fetchone())
store.close()
print(SQLiteSignatureStore("/tmp/trusted.db").check_signature("abc", "sha256"))
"""


@pytest.mark.docker
@pytest.mark.slow
def test_an_image_starts_without_what_takes_long_and_checks_what_it_did(tmp_path):
    config = load_config(data=str(tmp_path / "data"), runtime="docker")
    images = create(config, "lean").images
    name = f"env/lean:{uuid.uuid4().hex[:12]}"
    recipe = Recipe(kind="python", requirements="requirements.txt")
    found = {}
    for asked in ("six\n", "jedi-language-server\n"):
        (tmp_path / "source").mkdir(exist_ok=True)
        (tmp_path / "source/requirements.txt").write_text(asked)
        try:
            images.build(name, recipe, source=tmp_path / "source", labels={}, say=lambda line: None)
            _, said = images.engine.run_once(name, f"python - <<'E'\n{CHECKS}\nE", lines="all")
            found[asked.strip()] = said.splitlines()
        finally:
            images.remove_image(name)
    for said in found.values():
        assert said[:4] == ["False", "[True, False]", "[True, False]", "[]"], said
        assert said[5:8] == ["[200, 403]", "(0,)", "True"]
    plain, asking = (json.loads(said[4]) for said in found.values())
    assert plain["jupyter_lsp"] is plain["notebook_shim"] is False
    assert asking == {**plain, "jupyter_lsp": True}
    ours = ("jupyterlab", "notebook", "jupyter_server_terminals", "launcher_rouse")
    assert [plain[name] for name in ours] == [True] * 4
