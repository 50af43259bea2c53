"""From outside, byte by byte: nothing that is sent to the public port gets where it may not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import requests

from launcher.gateway.sockets import LARGEST_MESSAGE, SOCKETS
from launcher.people import identity
from launcher.session import new_session_id
from tests.launcher.gateway.conftest import OWNER, SESSION, Backend
from tests.launcher.gateway.test_edges import say, status_of
from tests.launcher.gateway.test_probes import cookie

VICTIM = "cd" * 12
HOST = b"Host: h\r\nConnection: close\r\n"


class Recorder(Backend):
    """A backend that remembers the paths it was asked for."""

    def serve(self):
        self.seen = []
        super().serve()

    async def answer(self, request):
        self.seen.append(request.raw_path)
        return await super().answer(request)


@pytest.fixture(scope="module")
def victim():
    behind = Recorder()
    yield behind
    behind.stop()


@pytest.fixture(autouse=True)
def somebody_else_s_session(gateway, victim):
    gateway.client.add_route(VICTIM, victim.url, "another student", "their-token")
    victim.seen.clear()
    yield
    gateway.client.remove_route(VICTIM)


@pytest.fixture
def mine(secret):
    """A student's own headers."""
    (line,) = cookie(secret).values()
    return HOST + f"Cookie: {line}\r\n".encode()


TRICKS = [
    "/s/{mine}/../{victim}/x",
    "/s/{mine}/%2e%2e/{victim}/x",
    "/s/{mine}/%2E%2E%2F{victim}/x",
    "/s/{mine}/..%2f{victim}/x",
    "/s/{mine}/..%5c{victim}/x",
    "/s/{mine}\\..\\{victim}/x",
    "/s/{mine};/../{victim}/x",
    "/s/{mine}/..;/{victim}/x",
    "/s/{mine}/%252e%252e/{victim}/x",
    "/s/{mine}//../{victim}/x",
    "/s/{mine}?/../{victim}/x",
    "/s/{mine}#/../{victim}/x",
    "//s/{victim}/x",
    "/./s/{victim}/x",
    "/s//{victim}/x",
    "/s/./{victim}/x",
    "/s/{victim}",
    "/s/{victim}?x",
    "/s/{victim}//x",
    "/s/{victim}/%2e/x",
    "/s/{victim};/x",
    "/%73/{victim}/x",
    "/s%2f{victim}/x",
    "/S/{victim}/x",
    "\\s\\{victim}\\x",
    "/x/../s/{victim}/x",
    "http://h/s/{victim}/x",
    "http://h/s/{mine}/../{victim}/x",
    "http:///s/{victim}/x",
    "s/{victim}/x",
    "*/s/{victim}/x",
]


@pytest.mark.parametrize("path", TRICKS)
def test_no_spelling_of_a_path_reaches_somebody_else_s_session(gateway, mine, victim, path):
    line = f"GET {path.format(mine=SESSION, victim=VICTIM)} HTTP/1.1\r\n".encode()
    answer = say(gateway.url, line + mine + b"\r\n")
    assert victim.seen == []
    assert b"their-token" not in answer
    assert status_of(answer) < 500


def test_the_victim_s_session_is_there_for_its_owner(gateway, secret, victim):
    """Else the tests around this one could not fail."""
    theirs = cookie(secret, "another student")
    assert requests.get(f"{gateway.url}/s/{VICTIM}/x", headers=theirs, timeout=30).ok
    assert victim.seen == [f"/s/{VICTIM}/x"]


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PROPFIND", "get"])
def test_no_method_is_a_way_around_the_owner(gateway, mine, victim, method):
    for path in (f"/s/{VICTIM}/x", f"h:80/s/{VICTIM}/x"):
        say(gateway.url, f"{method} {path} HTTP/1.1\r\n".encode() + mine + b"\r\n")
    assert victim.seen == []


@pytest.mark.parametrize(
    "forged",
    [
        "launcher_student=another student",
        f"launcher_student={identity.sign_student(b'x' * 32, 'another student')}",
        "launcher_guest=1",
        "launcher_student=; launcher_student=",
    ],
    ids=["plain", "signed by another", "guest", "empty"],
)
def test_a_forged_cookie_opens_nothing(gateway, victim, forged):
    head = HOST + f"Cookie: {forged}\r\n\r\n".encode()
    assert status_of(say(gateway.url, f"GET /s/{VICTIM}/x HTTP/1.1\r\n".encode() + head)) == 403
    assert victim.seen == []


def test_by_https_the_cookie_of_https_counts_alone(gateway, victim, secret):
    """A notebook's script can set the plain one for its own page's visitors."""
    own, other = (identity.sign_student(secret, who) for who in ("somebody", "another student"))
    both = f"Cookie: launcher_student={other}; __Host-launcher_student={own}\r\n\r\n".encode()
    line = f"GET /s/{VICTIM}/x HTTP/1.1\r\n".encode()
    assert status_of(say(gateway.url, line + HOST + both)) == 403
    assert victim.seen == []
    alone = f"Cookie: __Host-launcher_student={other}\r\n\r\n".encode()
    answer = say(gateway.url, line + HOST + alone)
    assert status_of(answer) == 200
    assert b"launcher_student" not in answer


def test_a_session_sets_no_rules_for_every_page_of_this_address(browser, session_url):
    """A service worker for `/` would read every page of ours."""
    headers = browser.get(f"{session_url}rules").headers
    assert headers["Own"] == "kept"
    for name in ("Service-Worker-Allowed", "Clear-Site-Data", "Cross-Origin-Opener-Policy"):
        assert name not in headers


def test_an_expired_cookie_opens_nothing(gateway, victim, secret, monkeypatch):
    long_ago = time.time() - identity.MAX_AGE - 60
    monkeypatch.setattr(time, "time", lambda: long_ago)
    old = cookie(secret, "another student")
    monkeypatch.undo()
    answer = requests.get(f"{gateway.url}/s/{VICTIM}/x", headers=old, timeout=30)
    assert answer.status_code == 403
    assert victim.seen == []


SMUGGLED = f"GET /s/{VICTIM}/smuggled HTTP/1.1\r\nHost: h\r\n\r\n".encode()


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"Content-Length: 0\r\nContent-Length: 60\r\n\r\n",
        b"Content-Length: +0\r\n\r\n",
        b"Content-Length: 0,60\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"X: y\rContent-Length: 0\r\n\r\n",
        b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"X: \x00\r\n\r\n",
    ],
)
def test_no_framing_hides_a_second_request(gateway, mine, backend, victim, framing):
    """Where gateway and session disagree on a body's end, its rest would be the next request."""
    head = f"POST /s/{SESSION}/x HTTP/1.1\r\n".encode() + mine.replace(b"close", b"keep-alive")
    parts = urlsplit(gateway.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        line.sendall(head + framing + SMUGGLED)
        back = b""
        try:
            while more := line.recv(65536):
                back += more
                line.settimeout(0.3)  # for a second answer
        except TimeoutError:
            pass
        except ConnectionResetError:
            pass
    assert victim.seen == []
    assert b"smuggled" not in back
    statuses = [int(part[2:5]) for part in back.split(b"HTTP/1.")[1:]]
    assert statuses[0] in (200, 400)
    assert all(status < 500 for status in statuses)


@pytest.mark.parametrize(
    "path", ["/api/routes", "/api/routes/", "//127.0.0.1:{admin}/api/routes", "@127.0.0.1:{admin}/"]
)
def test_the_public_port_does_not_lead_to_the_admin_port(gateway, mine, path):
    admin = gateway.client.announced().admin
    line = f"GET {path.format(admin=admin)} HTTP/1.1\r\n".encode()
    allowed = f"Authorization: token {gateway.client.token}\r\n".encode()
    answer = say(gateway.url, line + mine + allowed + b"\r\n")
    assert b'"target"' not in answer


def test_the_admin_port_is_one_of_loopback_and_wants_the_whole_token(gateway):
    admin = gateway.client.announced().admin
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [row.split()[1] for row in rows if row.split()[3] == "0A"]
    assert f"0100007F:{admin:04X}" in listening
    assert f"00000000:{admin:04X}" not in listening
    token = gateway.client.token
    for wrong in ("", "token", f"token {token[:-1]}", f"token {token}x", f"Bearer {token}", token):
        answer = requests.get(
            f"http://127.0.0.1:{admin}/api/routes", headers={"Authorization": wrong}, timeout=30
        )
        assert answer.status_code == 403, wrong


def test_forwarded_headers_of_strangers_do_not_count(gateway, mine):
    lies = b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
    lies += b"X-Real-IP: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\nX-Launcher-Gateway: 1\r\n"
    lies += b"X-Request-Id: chosen-by-a-stranger\r\n"
    answer = say(gateway.url, f"GET /s/{SESSION}/x HTTP/1.1\r\n".encode() + mine + lies + b"\r\n")
    headers = json.loads(answer.partition(b"\r\n\r\n")[2])["headers"]
    seen = {name.lower(): value for name, value in headers.items()}
    assert seen["x-forwarded-for"] == "127.0.0.1"  # the peer, once
    assert (seen["x-forwarded-proto"], seen["x-forwarded-host"]) == ("http", "h")
    assert seen["x-request-id"] != "chosen-by-a-stranger"
    assert not {"x-real-ip", "forwarded", "x-launcher-gateway"} & seen.keys()


@pytest.mark.parametrize(
    "host", [b"[", b"a..b", b".", b"h" * 64, b"h h", b"h/../x", b"h@evil", b"h:99999999", b"<b>"]
)
def test_a_host_that_is_none_gets_no_further(gateway, host):
    answer = say(gateway.url, b"GET / HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n")
    assert status_of(answer) == 400


@pytest.mark.parametrize("host", [b"h", b"h:80", b"h-1.example.org", b"[::1]:80"])
def test_a_host_that_is_one_is_passed_on(gateway, host):
    head = b"GET /x HTTP/1.1\r\nConnection: close\r\nHost: " + host + b"\r\n\r\n"
    assert status_of(say(gateway.url, head)) == 200


def test_two_hosts_are_none(gateway, mine, backend):
    answer = say(
        gateway.url, f"GET /s/{SESSION}/x HTTP/1.1\r\nHost: evil\r\n".encode() + mine + b"\r\n"
    )
    assert status_of(answer) == 400


@pytest.mark.parametrize(
    "header",
    [
        b"X: " + b"a" * 20_000,
        b"Cookie: " + b"a=b; " * 20_000,
        b"\r\n".join(b"X-%d: y" % number for number in range(500)),
    ],
)
def test_headers_without_end_are_refused(gateway, mine, header):
    answer = say(gateway.url, b"GET / HTTP/1.1\r\n" + mine + header + b"\r\n\r\n")
    assert status_of(answer) == 400


def test_a_line_without_end_is_refused(gateway, mine):
    answer = say(gateway.url, b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + mine + b"\r\n")
    assert status_of(answer) == 400


def test_a_form_that_is_too_large_is_refused_and_an_upload_to_a_session_is_not(
    gateway, config, secret, backend
):
    much = b"x" * (config.web.largest + 1)
    whole = requests.post(f"{gateway.url}/x", data=much, timeout=30)
    pieces = requests.post(
        f"{gateway.url}/x", data=(much[at : at + 65536] for at in range(0, len(much), 65536))
    )
    for answer in (whole, pieces):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "E-413")
    fits = requests.post(f"{gateway.url}/x", data=much[:-1], timeout=30)
    assert fits.json()["size"] == config.web.largest
    upload = requests.post(
        f"{gateway.url}/s/{SESSION}/upload", data=much, headers=cookie(secret), timeout=30
    )
    assert upload.json()["size"] == len(much)


def test_a_websocket_of_another_site_is_refused_even_with_the_owner_s_cookie(
    gateway, session_url, secret
):
    async def scene(origin):
        async with aiohttp.ClientSession() as client:
            sent = {**cookie(secret), "Origin": origin}
            async with client.ws_connect(f"{session_url}socket", headers=sent) as there:
                return await there.receive_str(timeout=30)

    for origin in ("https://evil.example", "null", gateway.url + ".evil.example"):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            asyncio.run(scene(origin))
        assert caught.value.status == 403
    assert "token" in asyncio.run(scene(gateway.url))


def test_a_message_without_end_does_not_fill_the_gateway(session_url, secret):
    """Frames that never finish a message are held whole until it is done."""

    async def scene():
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(
                f"{session_url}socket", headers=cookie(secret), max_msg_size=0
            ) as there,
        ):
            await there.receive(timeout=30)
            with contextlib.suppress(ConnectionError):
                await there.send_bytes(b"x" * (LARGEST_MESSAGE + 1))
            return (await there.receive(timeout=60)).type

    assert asyncio.run(scene()) is not aiohttp.WSMsgType.BINARY


def test_one_session_cannot_open_websockets_without_end(session_url, secret):
    async def scene():
        many = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=many) as client:
            opened = []
            try:
                for _ in range(SOCKETS + 1):
                    there = await client.ws_connect(f"{session_url}socket", headers=cookie(secret))
                    opened.append(there)
            finally:
                await asyncio.gather(*(one.close() for one in opened))

    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        asyncio.run(scene())
    assert caught.value.status == 429


def test_sessions_cannot_be_guessed():
    found = {new_session_id() for _ in range(1000)}
    assert len(found) == 1000
    assert all(len(one) == 24 for one in found), "96 bits"
    assert OWNER not in found
