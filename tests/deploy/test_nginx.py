"""Debian's nginx with the sample configuration, in front of a launcher that serves."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import uuid
from pathlib import Path

import aiohttp
import pytest
import requests
import yaml

from launcher.gateway.client import GatewayClient
from launcher.gateway.secrets import admin_token
from launcher.machine.ports import free_port
from launcher.people import identity
from launcher.rehearsal.click import Click
from tests.certificates import make_certificate
from tests.e2e.conftest import WITHOUT_LAB, make_box
from tests.launcher.gateway.conftest import OWNER, SESSION, Backend
from tests.launcher.gateway.test_probes import MEGABYTE, cookie
from tests.waiting import wait_for

SAMPLE = Path(__file__).parent.parent.parent / "deploy" / "nginx.conf"
ONE_NAME = "    server_name notebooks.example.org;\n"
TWO_NAMES = "    # server_name notebooks.example.org sessions.example.org;\n"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path(NGINX).exists(), reason="package nginx-light"),
]


class Front:
    """nginx with TLS, and the launcher behind it."""

    def __init__(self, root, sessions_host=""):
        self.cert, self.key = make_certificate(root / "tls", hosts=("localhost",))
        self.port, self.plain = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.box = make_box(root, "local", **WITHOUT_LAB)
        settings = yaml.safe_load(self.box.settings.read_text())
        settings |= {"public_url": self.url, "trusted_proxies": ["127.0.0.1"]}
        if sessions_host:
            settings["sessions_url"] = f"https://{sessions_host}:{self.port}"
        self.box.settings.write_text(yaml.safe_dump(settings))
        self.behind = settings["listen"]
        self.config = root / "nginx.conf"
        site = SAMPLE.read_text()
        if sessions_host:
            assert site.count(ONE_NAME) == site.count(TWO_NAMES) == 2
            site = site.replace(ONE_NAME, "").replace(TWO_NAMES, TWO_NAMES.replace("# ", ""))
            site = site.replace("sessions.example.org", sessions_host)
        self.config.write_text(self.whole(root, site))
        subprocess.run([NGINX, "-t", "-q", *self.words], check=True)
        self.process = subprocess.Popen([NGINX, *self.words])
        try:
            self.box.start()
        except BaseException:
            self.end_nginx()
            raise
        secret = identity.load_secret(self.box.data)
        self.secret = secret
        self.gateway = GatewayClient(self.box.data / "run" / "gateway", admin_token(secret))

    @property
    def words(self):
        return ["-c", str(self.config), "-e", str(self.config.with_suffix(".log"))]

    def whole(self, root, site):
        for sample, here in {
            "listen 80;": f"listen 127.0.0.1:{self.plain};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.port} ssl http2;",
            "    listen [::]:80;\n": "",
            "    listen [::]:443 ssl http2;\n": "",
            "/etc/letsencrypt/live/notebooks.example.org/fullchain.pem": str(self.cert),
            "/etc/letsencrypt/live/notebooks.example.org/privkey.pem": str(self.key),
            "https://notebooks.example.org": self.url,
            "notebooks.example.org": "127.0.0.1",
            "/var/log/nginx/": f"{root}/",
            "proxy_pass http://127.0.0.1:8080;": f"proxy_pass http://{self.behind};",
        }.items():
            assert sample in site, sample
            site = site.replace(sample, here)
        temp = "".join(
            f"{kind}_temp_path {root}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return (
            f"daemon off;\nuser root;\npid {root}/nginx.pid;\nworker_processes 1;\n"
            f"events {{}}\nhttp {{\naccess_log off;\n{temp}{site}}}\n"
        )

    def stop(self):
        try:
            self.box.end()
        finally:
            self.end_nginx()
        self.box.clean()

    def end_nginx(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def front(local_root):
    root = local_root / "nginx"
    root.mkdir()
    running = Front(root)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def backend():
    behind = Backend()
    yield behind
    behind.stop()


@pytest.fixture
def mine(front, backend):
    """A session of ours whose server says what it got; and a browser that owns it."""
    front.gateway.add_route(SESSION, backend.url, OWNER, "jupyter-token")
    with requests.Session() as http:
        http.trust_env, http.verify = False, str(front.cert)
        http.headers.update(cookie(front.secret))
        yield http


def test_pages_are_https_and_http_leads_there(front, mine):
    page = mine.get(f"{front.url}/")
    assert page.status_code == 200
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    plain = requests.get(f"http://127.0.0.1:{front.plain}/launch?a=%2F", allow_redirects=False)
    assert (plain.status_code, plain.headers["Location"]) == (308, f"{front.url}/launch?a=%2F")
    assert mine.get(f"{front.url}/metrics").status_code == 403
    assert mine.get(f"{front.url}//metrics").status_code == 403
    assert "launcher_up" in requests.get(f"http://{front.behind}/metrics", timeout=60).text


def test_a_click_ends_in_a_notebook_whose_kernel_answers(front):
    student = Click()
    student.browser.verify = str(front.cert)
    url = student.open(front.box.link().replace(front.box.url, front.url), print)
    assert url.startswith(f"{front.url}/s/")
    assert "cells" in student.notebook("course/week1.ipynb")
    (known,) = [one for one in student.browser.cookies if one.name in identity.NAMES]
    assert known.secure
    assert asyncio.run(kernel_info(student, student.kernel(), front.cert)) == "python"


async def kernel_info(student, kernel, cert):
    """The language that a kernel says it speaks, over its WebSocket."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "kernel_info_request", "version": "5.3"}
    header |= {"username": "", "session": uuid.uuid4().hex, "date": ""}
    asked = {"header": header, "parent_header": {}, "metadata": {}, "content": {}}
    address = f"{student.session_url}api/kernels/{kernel}/channels"
    cookies = {one.name: one.value for one in student.browser.cookies}
    origin = {"Origin": student.session_url.split("/s/")[0]}
    trust = ssl.create_default_context(cafile=cert)
    async with (
        asyncio.timeout(120),
        aiohttp.ClientSession(cookies=cookies, headers=origin) as client,
        client.ws_connect(address, ssl=trust) as line,
    ):
        await line.send_json(asked | {"channel": "shell"})
        async for frame in line:
            said = json.loads(frame.data)
            if said["msg_type"] == "kernel_info_reply":
                language = said["content"]["language_info"]["name"]
                break
    await asyncio.sleep(0.3)  # TLS says goodbye in the background
    return language


def test_events_arrive_before_the_stream_ends(front, mine, backend):
    with mine.get(f"{front.url}/s/{SESSION}/events", stream=True, timeout=60) as answer:
        lines = answer.iter_lines(chunk_size=1)
        assert next(lines) == b"data: first"
        backend.loop.call_soon_threadsafe(backend.release.set)
        assert b"data: last" in list(lines)


def test_100_mb_go_up_without_a_copy_on_the_disk(front, mine):
    body = (b"u" * MEGABYTE for _ in range(100))
    answer = mine.post(f"{front.url}/s/{SESSION}/upload", data=body, timeout=60)
    assert answer.json()["size"] == 100 * MEGABYTE
    assert not [path for path in (front.config.parent / "client_body").rglob("*") if path.is_file()]


def test_the_session_learns_the_visitor_s_address_and_no_lies(front, mine):
    lies = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "http", "Forwarded": "for=6.6.6.6"}
    lies |= {"X-Forwarded-Host": "evil.example", "X-Real-IP": "6.6.6.6"}
    lies["X-Request-Id"] = "chosen-by-a-stranger"
    answer = mine.get(f"{front.url}/s/{SESSION}/a%2Fb//c", headers=lies)
    said = answer.json()
    seen = {name.lower(): value for name, value in said["headers"].items()}
    assert said["path"] == f"/s/{SESSION}/a%2Fb//c"
    assert seen["x-forwarded-for"] == "127.0.0.1, 127.0.0.1", "the visitor, then nginx"
    assert seen["x-forwarded-proto"] == "https"
    assert seen["x-forwarded-host"] == seen["host"] == f"127.0.0.1:{front.port}"
    assert seen["x-request-id"] != "chosen-by-a-stranger"
    assert not {"forwarded", "x-real-ip"} & seen.keys()


def test_no_log_of_nginx_has_what_follows_the_question_mark(front, mine):
    for url in (front.url, f"http://127.0.0.1:{front.plain}"):
        mine.get(f"{url}/s/{SESSION}/x?token=s3cret-word", allow_redirects=False)
    mine.get(f"{front.url}/s/{SESSION}/x", headers={"Referer": f"{front.url}/?token=s3cret-word"})
    root = front.config.parent
    # A line is written after its answer: nobody who was answered can be sure of it yet.
    line = f'"GET /s/{SESSION}/x"'
    wait_for(lambda: (root / "launcher.log").read_text().count(line) >= 3, 60)
    written = [path for path in root.glob("*.log") if path.is_file()]
    assert "s3cret-word" not in "".join(path.read_text("utf-8", "replace") for path in written)


def test_a_foreign_origin_is_refused_and_ours_is_not(front, mine):
    where = f"{front.url}/s/{SESSION}/x"
    assert mine.post(where, headers={"Origin": "https://evil.example"}).status_code == 403
    assert mine.post(where, headers={"Origin": front.url}).status_code == 200


def test_doctor_looks_through_the_public_address(front):
    rows = {row["name"]: row for row in front.box.cli("doctor")}
    assert rows["WebSocket"]["ok"]
    # the certificate of this test is one that nobody trusts
    assert "certificate" in rows["public address"]["sentence"].lower()


def test_sessions_have_a_host_name_of_their_own(local_root):
    root = local_root / "nginx-two"
    root.mkdir()
    front = Front(root, sessions_host="localhost")
    try:
        there = f"https://localhost:{front.port}"
        student = Click(sessions_url=there)
        student.browser.verify = str(front.cert)
        assert student.open(front.box.link(), print).startswith(f"{there}/s/")
        assert asyncio.run(kernel_info(student, student.kernel(), front.cert)) == "python"
        assert student.browser.get(f"{there}/sessions").status_code == 404
        found = front.box.cli("link", "rehearse", front.box.link())
        assert (found["ok"], found["error"]) == (True, ""), "past nginx, by loopback"
        plain = f"http://localhost:{front.plain}/s/ab/lab"
        answer = requests.get(plain, allow_redirects=False)
        assert answer.headers["Location"] == f"{front.url}/s/ab/lab"
    finally:
        front.stop()
