"""Odd requests, odd servers and odd moments: an answer that makes sense, never a 500."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests
from aiohttp import WSMsgType

from launcher.gateway.process import GatewayFailed, ensure_gateway
from launcher.people import identity
from tests.launcher.gateway.conftest import OWNER, SESSION
from tests.launcher.gateway.test_probes import MEGABYTE, cookie, raw
from tests.waiting import wait_for

HERE = f"/s/{SESSION}"


def say(url, request):
    """Send bytes as they are, and return all that comes back."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        line.sendall(request)
        back = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while more := line.recv(1 << 20):
                back += more
    return bytes(back)


def status_of(answer):
    return int(answer.split(b" ", 2)[1])


@pytest.fixture
def owner(secret):
    """The owner's headers as bytes, for a request that ends with its answer."""
    name, value = next(iter(cookie(secret).items()))
    return f"Host: h\r\nConnection: close\r\n{name}: {value}\r\n".encode()


def test_a_request_in_a_proxy_s_form_reaches_the_session(gateway, owner):
    answer = say(
        gateway.url, b"GET http://h" + HERE.encode() + b"/a%2Fb HTTP/1.1\r\n" + owner + b"\r\n"
    )
    assert status_of(answer) == 200
    assert f'"path": "{HERE}/a%2Fb"'.encode() in answer


@pytest.mark.parametrize(
    "line",
    [
        "GET @{there}/x",
        "GET *@{there}/x",
        "CONNECT x@{there}",
        "GET http://h@{there}/x",
        "GET //{there}/x",
    ],
)
def test_no_request_line_can_send_the_gateway_elsewhere(gateway, owner, line):
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.2)
        there = "{}:{}".format(*elsewhere.getsockname())
        say(gateway.url, line.format(there=there).encode() + b" HTTP/1.1\r\n" + owner + b"\r\n")
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_an_http_1_0_client_gets_a_stream_too(gateway, owner):
    request = f"GET {HERE}/download HTTP/1.0\r\n".encode() + owner + b"\r\n"
    head, _, body = say(gateway.url, request).partition(b"\r\n\r\n")
    assert status_of(head) == 200
    assert b"chunked" not in head
    assert len(body) == 100 * MEGABYTE


@pytest.mark.parametrize(
    "header",
    [
        b"Authorization: token \xff",
        b"Cookie: launcher_student=a\xff",
        b"Cookie: launcher_student=;;",
    ],
)
def test_bytes_that_are_no_text_are_refused(gateway, header):
    request = f"GET {HERE}/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n".encode()
    assert status_of(say(gateway.url, request + header + b"\r\n\r\n")) == 403


@pytest.mark.parametrize(
    "origin", [b"null", b"http://[", b"http://h.evil.example", b"http://evil@"]
)
def test_an_origin_that_is_not_this_host_is_refused(gateway, owner, origin):
    request = f"POST {HERE}/x HTTP/1.1\r\nContent-Length: 0\r\n".encode() + owner
    assert status_of(say(gateway.url, request + b"Origin: " + origin + b"\r\n\r\n")) == 403
    assert status_of(say(gateway.url, request + b"Origin: http://h\r\n\r\n")) == 200


def test_headers_of_one_hop_stay_on_it(gateway, session_url, secret):
    sent = {"Connection": "close, X-Mine", "X-Mine": "1", "TE": "trailers", "X-Other": "2"}
    sent |= {"Forwarded": "for=6.6.6.6", "X-Real-IP": "6.6.6.6", "X-Forwarded-Host": "evil.example"}
    _, text = raw(session_url, f"{HERE}/x", headers={**cookie(secret), **sent})
    seen = {key.lower(): value for key, value in json.loads(text)["headers"].items()}
    assert seen["x-other"] == "2"
    assert not {"x-mine", "te", "forwarded", "x-real-ip"} & seen.keys()
    assert seen["host"] == seen["x-forwarded-host"] == urlsplit(gateway.url).netloc


def test_a_websocket_that_the_session_refuses_keeps_its_status(session_url, secret):
    async def scene(path):
        async with aiohttp.ClientSession() as client:
            await client.ws_connect(f"{session_url}{path}", headers=cookie(secret))

    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        asyncio.run(scene("missing"))
    assert caught.value.status == 404


def test_a_session_that_hangs_up_is_explained(browser, session_url):
    answer = browser.post(f"{session_url}hangup", data=b"1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "E-SILENT")


def test_a_program_learns_that_a_session_is_unknown(browser, gateway):
    answer = browser.put(f"{gateway.url}/s/{'cd' * 12}/api/contents/x", data=b"1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "E-GONE")


def test_half_an_answer_does_not_look_like_a_whole_one(browser, session_url):
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        browser.get(f"{session_url}cut", timeout=30)


def test_adding_a_route_again_keeps_its_activity_and_sockets(gateway, session_url, secret, backend):
    async def scene():
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(f"{session_url}socket", headers=cookie(secret)) as there,
        ):
            await there.receive(timeout=30)
            before = gateway.client.routes()[SESSION]
            await asyncio.to_thread(
                gateway.client.add_route, SESSION, backend.url, OWNER, "jupyter-token"
            )
            again = gateway.client.routes()[SESSION]
            await there.send_str("still there")
            await there.receive(timeout=30)
            return before, again, gateway.client.routes()[SESSION]

    before, again, after = asyncio.run(scene())
    assert again == before
    assert before.websockets == 1
    assert after.last_activity > before.last_activity


def test_closing_does_not_wait_for_each_sleeping_browser(gateway, session_url, owner):
    parts = urlsplit(session_url)
    upgrade = (
        f"GET {HERE}/socket HTTP/1.1\r\nHost: h\r\n".encode()
        + owner.split(b"\r\n", 2)[2]
        + b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            line = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
            line.sendall(upgrade)
            assert b"101" in line.recv(4096)
        wait_for(lambda: gateway.client.routes()[SESSION].websockets == 20)
        began = time.monotonic()
        gateway.client.remove_route(SESSION)
        assert time.monotonic() - began < 20, "one after the other takes 40 s"


@pytest.mark.parametrize(
    "body", ["", "[]", "{}", '{"target": "http://h:1/path"}', '{"target": "h"}']
)
def test_a_route_that_makes_no_sense_is_refused(gateway, body):
    admin = f"http://127.0.0.1:{gateway.client.announced().admin}/api/routes"
    allowed = {"Authorization": f"token {gateway.client.token}"}
    answer = requests.post(f"{admin}/s/{SESSION}", data=body, headers=allowed, timeout=30)
    assert answer.status_code == 400
    shown = requests.get(f"{admin}/s/{SESSION}", headers=allowed, timeout=30).json()
    assert set(shown) == {"target", "data", "last_activity", "websockets"}
    assert "token" not in shown["data"]
    assert requests.get(f"{admin}/s/00", headers=allowed, timeout=30).status_code == 404


def test_a_found_gateway_that_dies_is_started_again(gateway, secret, session_url, browser, kept):
    wait_for(kept)
    found = ensure_gateway(gateway.config, secret)
    found.ensure()
    assert found.process is None
    gateway.process.send_signal(signal.SIGKILL)
    gateway.process.wait(60)
    found.ensure()
    seen = browser.get(f"{session_url}x").json()["headers"]
    assert seen["Authorization"] == "token jupyter-token", "the session itself, not the app"
    gateway.process = found.process  # the other tests' fixture ends it


def test_a_taken_port_is_named(tmp_path, config):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = replace(config, data=tmp_path, listen=("127.0.0.1", port))
        with pytest.raises(GatewayFailed, match=str(port)):
            ensure_gateway(other, identity.load_secret(tmp_path))


def test_every_request_is_logged_with_its_id_and_without_its_query(config, tmp_path, capfd):
    trusting = replace(config, trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))
    other = replace(trusting, data=tmp_path, log=replace(config.log, format="json"))
    running = ensure_gateway(other, identity.load_secret(tmp_path))
    try:
        named = {"X-Request-Id": "from-the-front"}
        named["X-Forwarded-For"] = "6.6.6.6, 9.9.9.9, 10.1.1.1"
        requests.get(f"{running.url}/x?token=hidden", headers=named, timeout=30)
        assert status_of(say(running.url, b"no http at all\r\n\r\n")) == 400
    finally:
        running.stop()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    line = next(line for line in lines if line["logger"] == "launcher.gateway.access")
    assert (line["request_id"], line["path"], line["status"]) == ("from-the-front", "/x", 503)
    assert line["peer"] == "9.9.9.9", "what the trusted one saw, and not what it was told"
    assert "hidden" not in str(lines)
    assert "traceback" not in str(lines)


def test_a_trusted_proxy_s_word_counts(config, tmp_path, backend):
    other = replace(config, data=tmp_path, trusted_proxies=("127.0.0.0/8",))
    secret = identity.load_secret(tmp_path)
    running = ensure_gateway(other, secret)
    try:
        running.client.set_app(backend.url)
        running.client.add_route(SESSION, backend.url, OWNER, "t")
        front = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}
        front |= {"X-Forwarded-Host": "class.example", "Origin": "https://class.example"}
        answer = requests.post(
            f"{running.url}{HERE}/x", headers={**front, **cookie(secret)}, timeout=30
        )
        seen = answer.json()["headers"]
    finally:
        running.stop()
    assert seen["X-Forwarded-For"] == "9.9.9.9, 127.0.0.1"
    assert (seen["X-Forwarded-Proto"], seen["X-Forwarded-Host"]) == ("https", "class.example")


def memory_of(pid):
    """Most memory that the process ever held, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.slow
def test_large_bodies_do_not_stay_in_memory(config, tmp_path, backend):
    secret = identity.load_secret(tmp_path)
    running = ensure_gateway(replace(config, data=tmp_path), secret)
    try:
        running.client.add_route(SESSION, backend.url, OWNER, "t")
        url = f"{running.url}{HERE}"
        before = memory_of(running.process.pid)
        body = (b"u" * MEGABYTE for _ in range(100))
        answer = requests.post(f"{url}/upload", data=body, headers=cookie(secret), timeout=60)
        assert answer.json()["size"] == 100 * MEGABYTE
        with requests.get(
            f"{url}/download", headers=cookie(secret), stream=True, timeout=60
        ) as answer:
            time.sleep(0.3)  # a reader slower than the session must not fill the gateway
            assert sum(map(len, answer.iter_content(MEGABYTE))) == 100 * MEGABYTE
        grown = memory_of(running.process.pid) - before
    finally:
        running.stop()
    assert grown < 30 * MEGABYTE


def test_closing_the_browser_ends_the_session_s_side(session_url, secret, gateway):
    async def scene():
        async with aiohttp.ClientSession() as client:
            there = await client.ws_connect(f"{session_url}socket", headers=cookie(secret))
            assert (await there.receive(timeout=30)).type is WSMsgType.TEXT
            await there.close()

    asyncio.run(scene())
    wait_for(lambda: gateway.client.routes()[SESSION].websockets == 0, 60)


def test_who_may_not_enter_reads_a_code_and_what_the_board_calls_them(gateway, secret):
    other = "fedcba9876543210fedc"
    mine = {"Cookie": f"{identity.COOKIE}={identity.sign_student(secret, other)}"}
    answer = requests.get(f"{gateway.url}{HERE}/lab", headers=mine | {"Accept": "text/html"})
    assert answer.status_code == 403
    assert f"student {identity.code_of(secret, other)}" in answer.text
    assert f"E-OWNER, id {answer.headers.get('X-Request-Id', '')}" in answer.text
