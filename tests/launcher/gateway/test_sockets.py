"""WebSockets that stay, come all at once, or have nobody at their end; in this very loop."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from launcher.gateway import proxy as proxy_module
from launcher.gateway import sockets
from launcher.gateway.routes import Route
from launcher.machine.ports import free_port
from tests.launcher.gateway.conftest import SESSION
from tests.launcher.gateway.test_door import connect, gateway

WORD = "jupyter-token"
TOKEN = {"Authorization": f"token {WORD}"}
UPGRADE = (
    f"GET /s/{SESSION}/socket HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    "Authorization: token jupyter-token\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
).encode()
PONG = b"\x8a\x80\x00\x00\x00\x00"


class Jupyter:
    """A session whose WebSockets are slow to open, and which answers what it gets."""

    reads = True
    status = 200

    async def answer(self, request):
        if request.headers.get("Upgrade") != "websocket":
            return web.Response(status=self.status, text="here")
        await asyncio.sleep(0.1)
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        while not self.reads:
            await asyncio.sleep(0.01)
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                await socket.send_str(str(len(message.data)))
        return socket

    @asynccontextmanager
    async def served(self, port=0):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


@asynccontextmanager
async def session(tmp_path):
    """The gateway with one session, and a client of it."""
    jupyter = Jupyter()
    async with (
        jupyter.served() as there,
        gateway(tmp_path) as (proxy, port),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client,
    ):
        proxy.routes.put(SESSION, Route(there, "owner", WORD))
        yield jupyter, proxy, port, client


async def opened(port):
    """A browser's end as bytes: nobody answers pings but the test."""
    reader, writer = await connect(port, UPGRADE)
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    return reader, writer


async def until(what, seconds=30.0):
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.01)


def test_a_browser_that_answers_nothing_any_more_is_let_go(tmp_path, monkeypatch):
    """A closed laptop ends no connection; its session must not count as used for hours."""
    monkeypatch.setattr(sockets, "PING", 0.1)

    async def scene():
        async with session(tmp_path) as (_jupyter, proxy, port, _client):
            reader, _writer = await opened(port)
            await until(lambda: proxy.sockets.joined[SESSION])
            assert await asyncio.wait_for(reader.readexactly(2), 30) == b"\x89\x00", "a ping"
            await until(lambda: not proxy.sockets.joined[SESSION])
            await until(lambda: not proxy.sockets.places)

    asyncio.run(scene())


@pytest.mark.parametrize("how", ["answers", "sends a large message bit by bit"])
def test_a_browser_that_gives_any_sign_of_life_stays(tmp_path, monkeypatch, how):
    monkeypatch.setattr(sockets, "PING", 0.5)
    header = b"\x82\xff" + (1 << 20).to_bytes(8, "big") + b"\x00" * 4

    async def scene():
        async with session(tmp_path) as (_jupyter, proxy, port, _client):
            reader, writer = await opened(port)
            if how != "answers":
                writer.write(header)
            for _ in range(80):
                writer.write(PONG if how == "answers" else b"x")
                await asyncio.sleep(0.05)
            assert proxy.sockets.joined[SESSION]
            assert set(await reader.read(1 << 16)) == {0x89, 0x00}, "pings, and no end"

    asyncio.run(scene())


def test_a_browser_whose_session_takes_nothing_stays(tmp_path, monkeypatch):
    """Then the gateway does not read what the browser answers."""
    monkeypatch.setattr(sockets, "PING", 0.05)

    async def scene():
        async with session(tmp_path) as (jupyter, proxy, port, client):
            jupyter.reads = False
            url = f"http://127.0.0.1:{port}/s/{SESSION}/socket"
            async with client.ws_connect(url, headers=TOKEN) as there:
                for _ in range(24):
                    sending = asyncio.ensure_future(there.send_bytes(b"x" * (1 << 20)))
                    done, _ = await asyncio.wait([sending], timeout=5)
                    if not done:
                        break
                assert not done, "the gateway reads on"
                await asyncio.sleep(1)
                assert proxy.sockets.joined[SESSION]
                jupyter.reads = True
                await sending
                assert await there.receive_str(timeout=30) == str(1 << 20)

    asyncio.run(scene())


def test_upgrades_at_the_same_moment_are_counted_before_they_are_open(tmp_path, monkeypatch):
    monkeypatch.setattr(sockets, "SOCKETS", 3)

    async def scene():
        async with session(tmp_path) as (_jupyter, proxy, port, client):
            url = f"http://127.0.0.1:{port}/s/{SESSION}/socket"

            async def click():
                try:
                    return await client.ws_connect(url, headers=TOKEN)
                except aiohttp.WSServerHandshakeError as error:
                    return error.status

            found = await asyncio.gather(*(click() for _ in range(12)))
            there = [one for one in found if not isinstance(one, int)]
            assert len(there) == 3
            assert [one for one in found if isinstance(one, int)] == [429] * 9
            await asyncio.gather(*(one.close() for one in there))
            await until(lambda: not proxy.sockets.places)
            again = await client.ws_connect(url, headers=TOKEN)
            await again.close()

    asyncio.run(scene())


def test_a_socket_that_the_session_refuses_keeps_no_place(tmp_path):
    async def scene():
        async with session(tmp_path) as (_jupyter, proxy, port, client):
            proxy.routes.put(SESSION, Route(f"http://127.0.0.1:{free_port()}", "o", WORD))
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await client.ws_connect(
                    f"http://127.0.0.1:{port}/s/{SESSION}/socket", headers=TOKEN
                )
            assert not proxy.sockets.places

    asyncio.run(scene())


def test_only_the_first_sockets_of_a_session_take_large_messages(tmp_path, monkeypatch):
    monkeypatch.setattr(sockets, "LARGE_SOCKETS", 2)

    async def scene():
        async with session(tmp_path) as (_jupyter, _proxy, port, client):
            url = f"http://127.0.0.1:{port}/s/{SESSION}/socket"
            said = []
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(3):
                    there = await client.ws_connect(url, headers=TOKEN)
                    stack.push_async_callback(there.close)
                    with contextlib.suppress(ConnectionError):  # it is closed while this sends
                        await there.send_bytes(b"x" * (5 << 20))
                    answer = await there.receive(timeout=30)
                    said.append(answer.type is WSMsgType.TEXT and answer.data)
            assert said == [str(5 << 20), str(5 << 20), False]

    asyncio.run(scene())


def test_a_session_that_is_back_in_a_moment_is_not_told_as_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(proxy_module, "PAUSE", 5.0)

    async def scene():
        async with session(tmp_path) as (jupyter, proxy, port, client):
            back = free_port()
            proxy.routes.put(SESSION, Route(f"http://127.0.0.1:{back}", "o", WORD))
            url = f"http://127.0.0.1:{port}/s/{SESSION}/api"
            asking = asyncio.ensure_future(client.get(url, headers=TOKEN))
            await asyncio.sleep(0.1)
            async with jupyter.served(back):
                answer = await asking
                assert (answer.status, await answer.text()) == (200, "here")

    asyncio.run(scene())


@pytest.mark.parametrize("kind", ["change", "socket"])
def test_a_program_is_told_that_a_session_which_is_there_does_not_answer(tmp_path, kind):
    async def scene():
        async with session(tmp_path) as (_jupyter, proxy, port, client):
            proxy.routes.put(SESSION, Route(f"http://127.0.0.1:{free_port()}", "o", WORD))
            url = f"http://127.0.0.1:{port}/s/{SESSION}/api"
            if kind == "change":
                answer = await client.put(url, data=b"1", headers=TOKEN)
            else:
                upgrade = {"Connection": "upgrade", "Upgrade": "websocket"}
                answer = await client.get(url, headers=TOKEN | upgrade)
            said = await answer.json()
            assert (answer.status, said["error"]["code"]) == (503, "E-SILENT")
            assert "Try again" in said["error"]["message"]

    asyncio.run(scene())


def test_a_change_is_never_sent_twice(tmp_path):
    seen = []

    async def hang_up(reader, writer):
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async def scene():
        async with session(tmp_path) as (_jupyter, proxy, port, client):
            server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
            where = server.sockets[0].getsockname()[1]
            proxy.routes.put(SESSION, Route(f"http://127.0.0.1:{where}", "o", WORD))
            url = f"http://127.0.0.1:{port}/s/{SESSION}/api"
            await client.post(url, headers=TOKEN)
            assert len(seen) == 1
            await client.get(url, headers=TOKEN)
            assert len(seen) > 2, "a question is"
            server.close()

    asyncio.run(scene())
