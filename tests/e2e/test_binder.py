"""Clients that were made for BinderHub, against a launcher that serves for real."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import tarfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
import yaml

from tests.e2e.conftest import NPM, make_box
from tests.git_server import Repo

pytestmark = pytest.mark.slow
NODE = Path(__file__).parent.parent / "node"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder and the address of a course's own site, which is no part of the launcher."""
    folder = tmp_path_factory.mktemp("site")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def box(local_root, site):
    root = local_root / "binder-local"
    root.mkdir()
    box = make_box(root, "local")
    notebook = (box.content.folder / "week1.ipynb").read_text()
    files = {"requirements.txt": "cowsay==6.1\n", "index.ipynb": notebook, "data/a b.txt": "one\n"}
    Repo.create(box.git.root / "both", files, tag="v1")
    settings = yaml.safe_load(box.settings.read_text())
    settings["web"] = {"origins": [site[1]]}
    box.settings.write_text(yaml.safe_dump(settings))
    with box.running():
        yield box
    box.clean()


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Runs a script with the packages that the lock file names."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copytree(NODE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules"))
    subprocess.run(["npm", "ci", *NPM], cwd=folder, check=True, capture_output=True, timeout=600)

    def run(script, *args):
        done = subprocess.run(
            ["node", script, *args], cwd=folder, capture_output=True, text=True, timeout=900
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return run


def test_binderhub_s_own_client_gets_a_session_that_its_token_opens(box, node):
    spec = f"git/{quote(box.git.url('both'), safe='')}/v1"
    *steps, last = node("binder_client.js", box.url, spec)
    assert last["phase"] == "ready", last
    phases = [one["phase"] for one in steps]
    assert list(dict.fromkeys(phases)) == ["waiting", "fetching", "building", "built", "launching"]
    assert last["binder_request"] == f"v2/{spec}"
    token = {"Authorization": f"token {last['token']}"}
    api = f"{last['url']}api"
    with requests.Session() as http:
        http.trust_env = False
        assert http.get(f"{api}/status").status_code == 403, "nobody enters without it"
        assert http.get(f"{api}/status", headers=token).json()["kernels"] == 0
        names = {
            one["name"] for one in http.get(f"{api}/contents", headers=token).json()["content"]
        }
        assert {"index.ipynb", "data", "both"} <= names, "its files are where Binder has them"
        assert http.post(f"{api}/kernels", headers=token, json={"name": "python3"}).ok
        page = http.get(
            f"{last['url']}lab/tree/index.ipynb?token={last['token']}",
            headers={"Accept": "text/html"},
        )
        assert page.status_code == 200
        assert "token=" not in page.url
        assert http.get(f"{last['url']}lab/api/settings").ok, "what the page asks for next"


def test_binderhub_s_own_client_is_told_why_nothing_starts(box, node):
    spec = f"git/{quote(box.git.url('missing'), safe='')}/v1"
    last = node("binder_client.js", box.url, spec)[-1]
    assert last["phase"] == "failed"
    assert "There is no repository at" in last["message"]


def test_a_binder_link_opens_as_a_launch(box):
    spec = f"git/{quote(box.git.url('both'), safe='')}/v1"
    with requests.Session() as browser:
        browser.trust_env = False
        link = f"{box.url}/v2/{spec}?labpath=index.ipynb"
        answer = browser.get(link, headers={"Accept": "application/json"})
        while not (said := answer.json())["url"]:
            assert not said["error"], said
            answer = browser.get(f"{box.url}/api/launches/{said['id']}")
        assert said["url"].endswith("/lab/tree/both/index.ipynb")
        assert browser.get(said["url"]).status_code == 200


def test_the_gateway_serves_health_and_numbers(box):
    with requests.Session() as http:
        http.trust_env = False
        assert http.get(f"{box.url}/health").json()["ok"]
        probe = http.get(f"{box.url}/versions", headers={"Origin": "https://book.example.org"})
        assert probe.headers["Access-Control-Allow-Origin"] == "*"
        assert 'launcher_builds_total{outcome="built"} 1.0' in http.get(f"{box.url}/metrics").text


@pytest.mark.browser
def test_thebe_runs_a_cell_on_a_page_of_another_site(box, site, student):
    folder, address = site
    # The published bundle needs none of the package's dependencies.
    pack = ["npm", "pack", "--silent", "thebe-core@0.5.0", *NPM]
    subprocess.run(pack, cwd=folder, check=True, capture_output=True, timeout=600)
    with tarfile.open(folder / "thebe-core-0.5.0.tgz") as packed:
        packed.extractall(folder, filter="data")
    for script in (folder / "package" / "dist" / "lib").glob("*.min.js"):
        shutil.copy(script, folder)
    shutil.copy(NODE / "thebe.html", folder)
    page = student.new_context().new_page()
    page.set_default_timeout(90_000)
    page.goto(f"{address}/thebe.html")
    code = "import cowsay; print(open('data/a b.txt').read(), cowsay.__version__)"
    said = page.evaluate("(given) => runCell(...given)", [box.url, box.git.url("both"), code])
    assert said == "one\n 6.1\n"


def test_the_folder_and_the_page_of_a_link_are_what_opens(box):
    """A pull's targetPath is the folder in the session, and a program's page is opened there."""
    course = box.git.url("both")
    pull = f"git-pull?repo={quote(course)}&branch=v1&targetPath=Kurs/{quote('übung')}&urlpath="
    with requests.Session() as browser:
        browser.trust_env = False
        for page, opened in (
            ("lab/tree/Kurs/übung/index.ipynb", "lab/tree/Kurs/%C3%BCbung/index.ipynb"),
            ("nbclassic/notebooks/Kurs/übung/index.ipynb",
             "nbclassic/notebooks/Kurs/%C3%BCbung/index.ipynb"),
            ("files/Kurs/übung/index.ipynb", "files/Kurs/%C3%BCbung/index.ipynb"),
        ):  # fmt: skip
            link = f"{box.url}/v2/git/{quote(course, safe='')}/v1?urlpath="
            link += quote(pull + quote(page), safe="")
            answer = browser.get(link, headers={"Accept": "application/json"})
            while not (said := answer.json())["url"]:
                assert not said["error"], said
                answer = browser.get(f"{box.url}/api/launches/{said['id']}")
            assert said["url"].endswith(f"/{opened}")
        notebook = browser.get(said["url"])  # the last of them, as Jupyter itself gives it
        assert notebook.json()["nbformat"] == 4
