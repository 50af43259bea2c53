"""The gateway passes everything on as it is, and lets nobody in who does not belong."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import signal
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests
from aiohttp import WSMsgType
from yarl import URL

from launcher.people import identity
from tests.launcher.gateway.conftest import OWNER, SESSION
from tests.waiting import wait_for

MEGABYTE = 1 << 20


def raw(url, path, *, method="GET", headers=None, body=None):
    """A request whose path no client library has tidied up."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request(method, path, body=body, headers=headers or {})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer, text


def cookie(secret, student=OWNER):
    return {"Cookie": f"{identity.COOKIE}={identity.sign_student(secret, student)}"}


@pytest.mark.parametrize(
    "path", ["a%2Fb", "a%20b+c", "%C3%BCn%C3%AF.ipynb", "a//b", "x?y=%26&z=1%2F2", "a;b=c", "%25"]
)
def test_quoted_paths_arrive_as_they_were_sent(session_url, secret, path):
    target = f"/s/{SESSION}/{path}"
    _, text = raw(session_url, target, headers=cookie(secret))
    assert json.loads(text)["path"] == target


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_passes(browser, session_url, method):
    answer = browser.request(method, f"{session_url}x", data=b"hello")
    assert answer.json()["method"] == method
    assert answer.json()["size"] == 5


def test_head_has_no_body(browser, session_url):
    answer = browser.head(f"{session_url}x")
    assert answer.status_code == 200
    assert answer.content == b""


def test_100_mb_go_up(browser, session_url):
    chunk, digest = b"u" * MEGABYTE, hashlib.sha256()
    for _ in range(100):
        digest.update(chunk)
    answer = browser.post(f"{session_url}upload", data=(chunk for _ in range(100)), timeout=60)
    assert answer.json() == {"size": 100 * MEGABYTE, "digest": digest.hexdigest()}


def test_100_mb_come_down(browser, session_url):
    with browser.get(f"{session_url}download", stream=True, timeout=60) as answer:
        assert sum(len(chunk) for chunk in answer.iter_content(MEGABYTE)) == 100 * MEGABYTE


def test_an_event_arrives_before_the_stream_ends(browser, session_url, backend):
    with browser.get(f"{session_url}events", stream=True, timeout=30) as answer:
        lines = answer.iter_lines()
        assert next(lines) == b"data: first"
        backend.loop.call_soon_threadsafe(backend.release.set)
        assert b"data: last" in list(lines)


def test_two_cookies_stay_two_and_the_identity_cannot_be_replaced(browser, session_url):
    answer = browser.get(f"{session_url}cookies")
    names = [line.split("=")[0] for line in answer.raw.headers.getlist("Set-Cookie")]
    assert names == ["one", "two"]


def test_redirects_are_the_browser_s_to_follow(browser, session_url):
    answer = browser.get(f"{session_url}redirect", allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/elsewhere?a=%2F")


def test_packed_bodies_stay_packed(session_url, secret):
    answer, body = raw(session_url, f"/s/{SESSION}/packed", headers=cookie(secret))
    assert answer.getheader("Content-Encoding") == "gzip"
    assert body[:2] == b"\x1f\x8b"


async def talk(url, secret, *, headers=None, send=(), protocols=()):
    """Open a WebSocket as the owner, say things, and return what came back."""
    async with (
        aiohttp.ClientSession() as client,
        client.ws_connect(
            URL(url, encoded=True),
            headers={**cookie(secret), **(headers or {})},
            protocols=protocols,
            max_msg_size=0,
        ) as socket,
    ):
        back = [json.loads(await socket.receive_str(timeout=30)), socket.protocol]
        for message in send:
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)
            back.append((await socket.receive(timeout=60)).data)
        return back


def test_websocket_text_and_5_mb_binary_and_subprotocol(session_url, secret):
    big = bytes(range(256)) * (5 * MEGABYTE // 256)
    hello, protocol, text, binary = asyncio.run(
        talk(f"{session_url}socket?a=%2F", secret, send=("ünï", big), protocols=("v1.kernel",))
    )
    assert hello == {"token": "token jupyter-token", "path": f"/s/{SESSION}/socket?a=%2F"}
    assert protocol == "v1.kernel"
    assert text == "ünï"
    assert binary == big


def test_frames_count_as_activity(session_url, secret, gateway):
    before = gateway.client.routes()[SESSION].last_activity
    asyncio.run(talk(f"{session_url}socket", secret, send=("x",)))
    state = gateway.client.routes()[SESSION]
    assert state.last_activity > before


def test_the_session_gets_its_own_token_and_never_the_student_s_identity(browser, session_url):
    browser.cookies.set("theirs", "kept")
    headers = browser.get(f"{session_url}x").json()["headers"]
    assert headers["Authorization"] == "token jupyter-token"
    assert headers["Cookie"] == "theirs=kept"
    assert "X-Launcher-Gateway" not in headers


def test_a_foreign_session_is_refused(session_url, secret):
    answer, text = raw(session_url, f"/s/{SESSION}/x", headers=cookie(secret, "somebody else"))
    assert answer.status == 403
    assert json.loads(text)["error"]["code"] == "E-OWNER"
    html = {**cookie(secret, "somebody else"), "Accept": "text/html"}
    answer, text = raw(session_url, f"/s/{SESSION}/x", headers=html)
    assert b"not your session" in text


@pytest.mark.parametrize("value", ["", "x", OWNER, "eyJ.x.y"])
def test_no_or_a_forged_cookie_is_refused(session_url, value):
    headers = {"Cookie": f"{identity.COOKIE}={value}"}
    assert raw(session_url, f"/s/{SESSION}/x", headers=headers)[0].status == 403


def test_a_foreign_websocket_is_refused(session_url, secret):
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        asyncio.run(talk(f"{session_url}socket", b"another secret" * 3))
    assert caught.value.status == 403


def test_another_site_cannot_use_the_owner_s_cookie(browser, session_url, secret):
    evil = {"Origin": "https://evil.example"}
    assert browser.post(f"{session_url}x", headers=evil).status_code == 403
    assert browser.get(f"{session_url}x", headers=evil).status_code == 200
    with pytest.raises(aiohttp.WSServerHandshakeError):
        asyncio.run(talk(f"{session_url}socket", secret, headers=evil))


@pytest.mark.parametrize("how", ["header", "bearer", "query"])
def test_a_program_comes_in_with_the_session_s_token(session_url, how):
    query = "?token=jupyter-token" if how == "query" else ""
    kind = "Bearer" if how == "bearer" else "token"
    headers = {} if query else {"Authorization": f"{kind} jupyter-token"}
    assert requests.get(f"{session_url}x{query}", headers=headers, timeout=30).status_code == 200
    wrong = {"Authorization": "token wrong"}
    assert requests.get(f"{session_url}x", headers=wrong, timeout=30).status_code == 403


def test_an_unknown_session_is_the_app_s_to_explain(browser, gateway):
    answer = browser.get(f"{gateway.url}/s/{'cd' * 12}/lab").json()
    assert answer["path"] == f"/s/{'cd' * 12}/lab"
    assert "X-Launcher-Gateway" in answer["headers"], "it is the app that answered"


def test_a_dead_session_s_page_comes_from_the_app(browser, gateway, session_url):
    gateway.client.add_route(SESSION, "http://127.0.0.1:1", OWNER, "jupyter-token")
    answer = browser.get(f"{session_url}lab").json()
    assert "X-Launcher-Gateway" in answer["headers"]
    assert "Authorization" not in answer["headers"], "the token is for the session only"
    assert browser.post(f"{session_url}api", data=b"x").status_code == 503


def test_headers_that_only_the_gateway_sets_cannot_be_sent(browser, gateway):
    headers = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Proto": "https",
        "X-Launcher-Gateway": "x",
    }
    seen = browser.get(f"{gateway.url}/x", headers=headers).json()["headers"]
    assert seen["X-Forwarded-For"] == "127.0.0.1"
    assert seen["X-Forwarded-Proto"] == "http"
    assert seen["X-Launcher-Gateway"] != "x"


def test_the_admin_port_needs_its_token(gateway):
    port = gateway.client.announced().admin
    assert requests.get(f"http://127.0.0.1:{port}/api/routes", timeout=30).status_code == 403


def test_removing_a_route_closes_its_sockets(session_url, secret, gateway):
    async def scene():
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(f"{session_url}socket", headers=cookie(secret)) as socket,
        ):
            await socket.receive(timeout=30)
            await asyncio.to_thread(gateway.client.remove_route, SESSION)
            message = await socket.receive(timeout=30)
            return message.type, message.data

    assert asyncio.run(scene()) == (WSMsgType.CLOSE, 1001)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_routes_survive_the_gateway_s_own_end(browser, session_url, gateway, kept, how):
    wait_for(kept)
    gateway.process.send_signal(how)
    gateway.process.wait(60)
    gateway.ensure()
    seen = browser.get(f"{session_url}x").json()["headers"]
    assert seen["Authorization"] == "token jupyter-token", "the session itself, not the app"


def test_while_the_app_is_away_a_page_says_so(browser, gateway):
    gateway.client.set_app("http://127.0.0.1:1")
    answer = browser.get(f"{gateway.url}/")
    assert answer.status_code == 503
    assert "reloads by itself" in answer.text
    assert answer.headers["Retry-After"] == "2"


def test_the_routes_file_is_for_its_owner_only(config):
    file = config.data / "run" / "routes.json"
    wait_for(file.exists)
    assert file.stat().st_mode & 0o077 == 0
    assert (config.data / "secret.key").stat().st_mode & 0o077 == 0
