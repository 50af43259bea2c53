"""What makes an environment's servers start fast: `lean.py base` once, `lean.py environment REPO`.

Run by the Python that has the server, in builds: `base` when the server is installed,
`environment` last of all. Every session is a new server, so what is done here no session does.
"""

from __future__ import annotations

import compileall
import contextlib
import importlib
import importlib.util
import json
import re
import sys
import sysconfig
from pathlib import Path

JUPYTER = Path(sys.prefix, "etc", "jupyter")
SETTINGS = {
    # No pop-up that asks every student about news of the project.
    "labconfig/page_config.json": {
        "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
    },
    # The other manager makes a client of the package index at every start.
    "jupyter_lab_config.json": {"LabApp": {"extension_manager": "readonly"}},
}
LAZY = '''"""Loads what it is about when that is used: `syntax_helpers` takes a second to import."""

import importlib

__all__ = {names!r}


def is_valid_syntax(term, value):
    helpers = importlib.import_module(__name__ + ".syntax_helpers")
    return helpers.is_valid_syntax(term=term, value=value)


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(name)
    return getattr(importlib.import_module(__name__ + ".syntax_helpers"), name)
'''
ROUSE = '''"""`GET launcher/rouse`: what the first notebook of a server would wait for.

And kernels begin in the root folder, as notebooks' do, where a program names no path: a server that
runs before its student comes works elsewhere.

And nobody waits for the disk to remember which notebooks' outputs are trusted.
"""

import functools
import json

import nbformat
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from nbformat.sign import NotebookNotary, SQLiteSignatureStore
from tornado import web

MINORS = (2, 4, 5)  # each has a schema of its own, which takes 50 ms to compile


class Rouse(APIHandler):
    @web.authenticated
    def get(self):
        cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
        for minor in MINORS:
            own = {"id": "a"} if minor >= 5 else {}
            notebook = {"cells": [{**cell, "source": "1", **own}], "metadata": {}}
            text = json.dumps({**notebook, "nbformat": 4, "nbformat_minor": minor})
            read = nbformat.reads(text, as_version=4)
        NotebookNotary(db_file=":memory:", secret=b"none").check_signature(read)
        self.finish({})


def spare_the_disk():
    """Forty first notebooks at once would wait for it four times each.

    A power failure may cost what is trusted, which a run of the notebook brings back; a file that
    is damaged nbformat puts aside.
    """
    make = SQLiteSignatureStore.init_db

    @functools.wraps(make)
    def init_db(store, db):
        db.execute("PRAGMA synchronous=OFF")
        make(store, db)

    SQLiteSignatureStore.init_db = init_db


def _jupyter_server_extension_points():
    return [{"module": __name__}]


def _load_jupyter_server_extension(server):
    path = url_path_join(server.web_app.settings["base_url"], "launcher/rouse")
    server.web_app.add_handlers(".*$", [(path, Rouse)])
    spare_the_disk()
    start = server.kernel_manager.start_kernel

    @functools.wraps(start)
    def start_kernel(*args, path=None, **words):
        return start(*args, path=path or "", **words)

    server.kernel_manager.start_kernel = start_kernel
'''
EXTENSION = "launcher_rouse"
NAMES_LSP = re.compile(r"(jupyter|jupyterlab)[-_]lsp\b")
OLD_SETTINGS = re.compile(r"\bNotebookApp\b|notebook[-_]shim|jupyter_notebook_config")
TOOLS = re.compile(r"/(pip|setuptools|wheel|_distutils_hack)/")
LARGEST = 1_000_000
"""Bytes of a repository's file that is read."""


def base() -> None:
    """What holds for every environment with this server."""
    make_lazy()
    Path(sysconfig.get_path("purelib"), f"{EXTENSION}.py").write_text(ROUSE, "utf-8")
    enabled = {"ServerApp": {"jpserver_extensions": {EXTENSION: True}}}
    write_json(JUPYTER / "jupyter_server_config.d" / "launcher-rouse.json", enabled)
    for name, settings in SETTINGS.items():
        write_json(JUPYTER / name, settings)
    # uv leaves out what `--seed` brings, and each server imports packaging.
    compileall.compile_dir(sysconfig.get_path("purelib"), quiet=2, rx=TOOLS)


def make_lazy() -> None:
    """jsonschema imports this package for one check, of a format that Jupyter's schemas lack."""
    found = importlib.util.find_spec("rfc3987_syntax")
    if found is None or found.origin is None:
        return
    path = Path(found.origin)
    if path.read_text("utf-8").strip() != "from .syntax_helpers import *":
        return  # another version, which may be mended
    helpers = importlib.import_module("rfc3987_syntax.syntax_helpers")
    names = sorted(name for name in vars(helpers) if not name.startswith("_"))
    path.write_text(LAZY.format(names=names), "utf-8")


def environment(repo: Path) -> None:
    """Switch off the server's extensions that nothing in the environment asks for."""
    said = asked_for(repo)
    off = {}
    if not NAMES_LSP.search(said) and not has_language_server():
        off["jupyter_lsp"] = False
    if not OLD_SETTINGS.search(said) and not has_old_settings():
        off["notebook_shim"] = False
    name = "zz-launcher.json"  # the last one counts
    place = JUPYTER / "jupyter_server_config.d"
    known = {one.stem for one in place.glob("*.json")} if place.is_dir() else set()
    if known:  # a server that is elsewhere has its own settings
        write_json(place / name, {"ServerApp": {"jpserver_extensions": off}})


def asked_for(repo: Path) -> str:
    """The text of the files that describe the environment."""
    said = []
    for folder in (repo, repo / "binder", repo / ".binder"):
        for path in sorted(folder.glob("*")) if folder.is_dir() else ():
            with contextlib.suppress(OSError):
                if path.is_file() and path.stat().st_size < LARGEST:
                    said.append(path.read_text("utf-8", "replace"))
    return "\n".join(said)


def has_language_server() -> bool:
    """What the extension looks for at every start, looked for once."""
    try:
        manager = importlib.import_module("jupyter_lsp.manager").LanguageServerManager()
        manager.init_language_servers()
        return bool(manager.language_servers)
    except Exception:  # whatever it is: then it stays as it was
        return True


def has_old_settings() -> bool:
    """True where something is written for the server of notebook 6: nbclassic, old extensions."""
    if importlib.util.find_spec("nbclassic"):
        return True
    try:
        from jupyter_core.paths import jupyter_config_path
    except ImportError:
        return True
    found = [path for place in jupyter_config_path() for path in old_settings(Path(place))]
    return bool([path for path in found if path.name != "jupyterlab.json"])


def old_settings(place: Path) -> list[Path]:
    return [
        *place.glob("jupyter_notebook_config.py"),
        *place.glob("jupyter_notebook_config.json"),
        *place.glob("jupyter_notebook_config.d/*.json"),
    ]


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


if __name__ == "__main__":
    base() if sys.argv[1] == "base" else environment(Path(sys.argv[2]))
