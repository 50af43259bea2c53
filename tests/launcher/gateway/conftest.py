"""A real gateway process in front of a real backend, for the probes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from dataclasses import replace

import pytest
import requests
from aiohttp import WSMsgType, web

from launcher.config import load_config
from launcher.gateway import client as client_module
from launcher.gateway.process import ensure_gateway
from launcher.machine.ports import free_port
from launcher.people import identity

SESSION = "ab" * 12
OWNER = "0123456789abcdef0123"
COURSE = "https://course.example.org"


PAGE = "<!doctype html><html><head><title>ü</title></head><body>page</body></html>"


class Backend:
    """What stands behind the gateway: says what it got, and does the odd things servers do."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.release = asyncio.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        self.ready.wait(60)

    def serve(self):
        asyncio.set_event_loop(self.loop)
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self.answer)
        runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
        self.loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self.loop.run_until_complete(site.start())
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(runner.cleanup())
        self.loop.close()

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(60)

    async def answer(self, request):
        kind = request.path.rsplit("/", 1)[-1]
        return await getattr(self, f"do_{kind}", self.echo)(request)

    async def echo(self, request):
        body = await request.read()
        return web.json_response(
            {
                "method": request.method,
                "path": request.raw_path,
                "headers": dict(request.headers),
                "body": hashlib.sha256(body).hexdigest(),
                "size": len(body),
            }
        )

    async def do_upload(self, request):
        size, digest = 0, hashlib.sha256()
        async for chunk in request.content.iter_any():
            size += len(chunk)
            digest.update(chunk)
        return web.json_response({"size": size, "digest": digest.hexdigest()})

    async def do_download(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x" * (1 << 20))
        return response

    async def do_events(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: first\n\n")
        await asyncio.wait_for(self.release.wait(), 120)
        await response.write(b"data: last\n\n")
        return response

    async def do_cookies(self, request):
        response = web.Response(text="ok")
        response.set_cookie("one", "1")
        response.set_cookie("two", "2")
        response.set_cookie(identity.COOKIE, "stolen", path="/")
        for spelling in (f"{identity.COOKIE} =stolen", f"={identity.COOKIE}=stolen; Path=/"):
            response.headers.add("Set-Cookie", spelling)
        response.headers.add("Set-Cookie", f"{identity.SECURE_COOKIE}=stolen; Path=/; Secure")
        return response

    async def do_rules(self, _request):
        rules = {"Service-Worker-Allowed": "/", "Clear-Site-Data": '"cookies"', "Own": "kept"}
        return web.Response(headers=rules | {"Cross-Origin-Opener-Policy": "same-origin"})

    async def do_missing(self, request):
        raise web.HTTPNotFound

    async def do_hangup(self, request):
        request.transport.close()
        return web.Response()

    async def do_cut(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"half")
        await asyncio.sleep(0.05)
        request.transport.close()
        return response

    async def do_redirect(self, request):
        return web.Response(status=302, headers={"Location": "/elsewhere?a=%2F"})

    async def do_page(self, request):
        told = {"X-Encoding-Asked": request.headers.get("Accept-Encoding", "")}
        return web.Response(text=PAGE, content_type="text/html", headers=told | {"ETag": '"1"'})

    async def do_streamed(self, request):
        response = web.StreamResponse(headers={"Content-Type": "text/html"})
        await response.prepare(request)
        await response.write(PAGE.encode())
        return response

    async def do_packed(self, request):
        import gzip

        packed = gzip.compress(b"packed" * 100)
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async def do_socket(self, request):
        socket = web.WebSocketResponse(protocols=["v1.kernel"], max_msg_size=0)
        await socket.prepare(request)
        hello = {"token": request.headers.get("Authorization", ""), "path": request.raw_path}
        await socket.send_str(json.dumps(hello))
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket


@pytest.fixture(scope="package")
def backend():
    behind = Backend()
    yield behind
    behind.stop()


@pytest.fixture(scope="package")
def config(tmp_path_factory):
    data = tmp_path_factory.mktemp("gateway")
    return load_config(
        data=str(data), listen="127.0.0.1:0", log__format="text", web__origins=[COURSE]
    )


@pytest.fixture(scope="package")
def secret(config):
    return identity.load_secret(config.data)


@pytest.fixture(scope="package")
def gateway(config, secret, backend):
    """At a port that nobody else gets while a test has ended it."""
    running = ensure_gateway(replace(config, listen=("127.0.0.1", free_port())), secret)
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A gateway on a machine that is busy with other tests may answer late."""
    monkeypatch.setattr(client_module, "TIMEOUT", 60.0)


@pytest.fixture(autouse=True)
def routes(gateway, backend):
    """Every test begins with the app and one session behind the gateway."""
    gateway.client.set_app(backend.url)
    gateway.client.add_route(SESSION, backend.url, OWNER, "jupyter-token")


@pytest.fixture
def kept(config, backend, routes):
    """True once a gateway that is killed would get the session's route again."""
    file = config.data / "run" / "routes.json"

    def look():
        row = json.loads(file.read_text()).get(SESSION, {})
        return (row.get("target"), row.get("token")) == (backend.url, "jupyter-token")

    return look


@pytest.fixture
def session_url(gateway):
    return f"{gateway.url}/s/{SESSION}/"


@pytest.fixture
def browser(secret):
    """A requests session that is the owner's browser."""
    with requests.Session() as http:
        http.trust_env = False
        http.cookies.set(identity.COOKIE, identity.sign_student(secret, OWNER))
        yield http
