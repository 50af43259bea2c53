"""The hub of the comparison: a click that fails says why, and is not counted as fast."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from benchmarks.peer.clicks import storm
from benchmarks.peer.hub import CONFIG

REPO, FILE = "file:///srv/content/intro", "intro/week1.ipynb"


def hub_of(said: str) -> web.Application:
    """The pages of a hub and of one student's server, as far as a click needs them."""

    async def page(request: web.Request) -> web.Response:
        answer = web.Response(text="page")
        path = "/hub/" if request.path.startswith("/hub/") else "/user/s0/"
        answer.set_cookie("_xsrf", "token", path=path)
        return answer

    async def progress(request: web.Request) -> web.Response:
        assert request.query["_xsrf"] == "token"
        return web.Response(text='data: {"progress": 1}\n\ndata: {"ready": true}\n\n')

    async def pull(request: web.Request) -> web.Response:
        assert (request.query["repo"], request.query["targetpath"]) == (REPO, "intro")
        return web.Response(text=f"data: {said}\n\n")

    async def content(request: web.Request) -> web.Response:
        return web.json_response({"content": {"cells": [1]}})

    app = web.Application()
    app.router.add_get("/hub/api/users/s0/server/progress", progress)
    app.router.add_get("/user/s0/git-pull/api", pull)
    app.router.add_get("/user/s0/api/contents/{file:.*}", content)
    app.router.add_route("*", "/{path:.*}", page)
    return app


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('{"phase": "finished"}', ""),
        ('{"phase": "error", "message": "no such branch"}', "Failed: no such branch"),
    ],
)
def test_a_click_follows_the_hub_and_the_pull(said, error):
    async def run() -> list[dict[str, object]]:
        runner = web.AppRunner(hub_of(said))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        try:
            return await storm(f"http://{host}:{port}/", REPO, FILE, 1)
        finally:
            await runner.cleanup()

    (found,) = asyncio.run(run())
    assert found["error"] == error
    assert bool(found["usable"]) is not bool(error)


def test_the_settings_of_the_hub_are_python():
    words = ("url", "hub_port", "host", "root", "proxy", "api_port", "image", "prefix", "labels",
             "repositories", "place")  # fmt: skip
    compile(CONFIG.format(**dict.fromkeys(words, 1)), "config.py", "exec")
