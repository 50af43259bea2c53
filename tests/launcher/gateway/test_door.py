"""Connections that only keep a place lose it; those that are used are left alone."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from contextlib import asynccontextmanager

import pytest
import requests
from aiohttp import web

from launcher.config import load_config
from launcher.gateway import process
from launcher.gateway.__main__ import public_app, set_up
from launcher.gateway.admission import Admission
from launcher.gateway.bodies import Body, TooLarge, TooSlow
from launcher.gateway.door import Door
from launcher.gateway.proxy import Proxy
from launcher.gateway.routes import Route, Routes
from launcher.machine.ports import free_port
from launcher.people import identity

OPENED = []


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6")
def test_every_address_of_both_kinds_is_listened_on(tmp_path):
    """With an AAAA record, browsers come by IPv6 first; others have IPv4 only."""
    data, port = tmp_path / "data", free_port()
    config = load_config(data=str(data), listen=f"[::]:{port}")
    running = process.ensure_gateway(config, identity.load_secret(data))
    try:
        for host in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{host}:{port}/", timeout=30).status_code == 503
        assert running.port == port
    finally:
        running.stop()


ASK = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"


@asynccontextmanager
async def gateway(tmp_path, *, most=100, header_timeout=60.0, stall=60.0):
    """A gateway in this loop, in front of an app that says how much it got."""

    async def app(request):
        return web.Response(text=f"got {len(await request.read())}")

    behind = web.Application(client_max_size=1 << 30)
    behind.router.add_route("*", "/{path:.*}", app)
    backend = web.AppRunner(behind)
    await backend.setup()
    await web.TCPSite(backend, "127.0.0.1", 0).start()
    routes = Routes(tmp_path / "routes.json")
    routes.put("/", Route(f"http://127.0.0.1:{backend.addresses[0][1]}"))
    proxy = Proxy(
        routes=routes,
        app_secret="a",
        admission=Admission(b"s" * 32, trusted=(ipaddress.ip_network("127.0.0.2/32"),)),
        stall=stall,
        door=Door(most, header_timeout=header_timeout),
    )
    runner = await set_up(public_app(proxy))
    listener = await proxy.door.listen(runner, "127.0.0.1", 0)
    watching = asyncio.ensure_future(proxy.door.watch())
    try:
        yield proxy, listener.sockets[0].getsockname()[1]
    finally:
        while OPENED:
            OPENED.pop().close()
        watching.cancel()
        listener.close()
        await proxy.close()
        await runner.cleanup()
        await backend.cleanup()


async def connect(port, say=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    OPENED.append(writer)
    writer.write(say)
    await writer.drain()
    return reader, writer


async def answer(reader):
    """Status and body of one answer on a connection that stays open."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return int(head.split()[1]), await reader.readexactly(length)


async def comes_true(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.01)


async def ended(reader):
    with contextlib.suppress(ConnectionResetError):
        return await asyncio.wait_for(reader.read(), 30) == b""
    return True


def test_a_header_that_comes_a_byte_at_a_time_does_not_keep_its_place(tmp_path):
    async def scene():
        async with gateway(tmp_path, header_timeout=2.0) as (proxy, port):
            quick, writing = await connect(port, ASK)
            assert (await answer(quick))[0] == 200
            silent, _ = await connect(port)
            slow, drop = await connect(port, b"GET /x HTTP/1.1\r\nHost: h\r\n")
            began = asyncio.get_running_loop().time()
            with contextlib.suppress(ConnectionError):
                for _ in range(600):
                    drop.write(b"X: y\r\n")
                    await drop.drain()
                    await asyncio.sleep(0.05)
                    if slow.at_eof():
                        break
            assert asyncio.get_running_loop().time() - began < 20
            assert await ended(slow)
            assert await ended(silent)
            writing.write(ASK)
            assert (await answer(quick))[0] == 200, "who has asked before may take a while"
            assert (proxy.door.open, proxy.door.turned_away) == (1, 2)

    asyncio.run(scene())


def test_where_all_places_are_taken_the_longest_silent_one_leaves(tmp_path):
    async def scene():
        async with gateway(tmp_path, most=10) as (proxy, port):
            lines = [await connect(port) for _ in range(10)]
            reader, _ = await connect(port, ASK)
            assert (await answer(reader))[0] == 200
            assert await ended(lines[0][0])
            assert proxy.door.open == 10
            for reader, writer in lines[1:]:
                writer.write(ASK)
                assert (await answer(reader))[0] == 200

    asyncio.run(scene())


def test_a_thousand_silent_connections_keep_nobody_out(tmp_path):
    async def scene():
        async with gateway(tmp_path, most=50) as (proxy, port):
            lines = []
            for _ in range(300):
                lines.append(await connect(port, b"GET / HT"))
                if len(lines) % 50 == 0:
                    reader, writer = await connect(port, ASK)
                    assert (await answer(reader))[0] == 200
                    writer.close()
            assert proxy.door.open <= 50

    asyncio.run(scene())


def test_requests_that_are_answered_are_never_cut_off_for_somebody_new(tmp_path):
    upload = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345"

    async def scene():
        async with gateway(tmp_path, most=3) as (proxy, port):
            busy = [await connect(port, upload) for _ in range(3)]
            await comes_true(lambda: proxy.door.open == 3 and not proxy.door._new)
            reader, _ = await connect(port, ASK)
            assert (await answer(reader))[0] == 503
            for reader, writer in busy:
                writer.write(b"67890")
                assert await answer(reader) == (200, b"got 10")

    asyncio.run(scene())


def test_a_body_that_stands_still_is_given_up(tmp_path):
    upload = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n12345"

    async def scene():
        async with gateway(tmp_path, stall=0.3) as (_proxy, port):
            reader, _ = await connect(port, upload)
            status, body = await answer(reader)
            assert status == 408
            assert b"E-408" in body

    asyncio.run(scene())


def test_left_connections_are_counted_out(tmp_path):
    async def scene():
        async with gateway(tmp_path) as (proxy, port):
            for _ in range(20):
                reader, writer = await connect(port, ASK)
                await answer(reader)
                writer.close()
            await comes_true(lambda: not proxy.door.open)
            assert not proxy.door._idle
            assert not proxy.door._new

    asyncio.run(scene())


def test_a_gateway_with_few_open_files_still_answers(tmp_path, monkeypatch):
    """Where nobody may raise the limit, old silent connections make room."""
    config = load_config(data=str(tmp_path), listen="127.0.0.1:0")
    plain = process.gateway_command
    few = ["prlimit", "--nofile=160:160", "--"]
    monkeypatch.setattr(process, "gateway_command", lambda config: [*few, *plain(config)])
    gateway = process.ensure_gateway(config, identity.load_secret(tmp_path))
    port = int(gateway.url.rsplit(":", 1)[1])
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(400):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            answer = requests.get(f"{gateway.url}/x", timeout=60)
            assert answer.status_code == 503
            assert "is starting" in answer.text
            numbers = gateway.client.numbers()
            assert numbers.connections <= 30
            assert numbers.files < 160
            assert numbers.turned_away > 300
    finally:
        gateway.stop()


class Drops:
    """A body of five bytes, one at a time."""

    left = 5

    async def readany(self):
        await asyncio.sleep(0.05)
        self.left -= 1
        return b"x" if self.left >= 0 else b""


@pytest.mark.parametrize(
    ("most", "whole", "expected"), [(4, None, TooLarge), (0, 0.15, TooSlow), (10, 60.0, None)]
)
def test_a_body_ends_at_its_length_and_its_time(most, whole, expected):
    async def scene():
        body = Body(Drops(), most=most, whole=whole)
        try:
            return [chunk async for chunk in body], body.trouble
        except (TooLarge, TooSlow) as error:
            return error, body.trouble

    found, trouble = asyncio.run(scene())
    if expected:
        assert isinstance(found, expected)
        assert trouble is found
    else:
        assert (b"".join(found), trouble) == (b"xxxxx", None)
