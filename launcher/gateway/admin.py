"""The admin port: routes in the words of configurable-http-proxy, which can stand in for it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from launcher.gateway.proxy import Proxy
from launcher.gateway.routes import Route

APP = "/"


def create_admin(proxy: Proxy, token: str) -> web.Application:
    """The admin application; every request needs `Authorization: token <token>`."""

    @web.middleware
    async def only_the_app(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"token {token}".encode()):
            raise web.HTTPForbidden(text="wrong token")
        return await handler(request)

    async def show(_request: web.Request) -> web.Response:
        every = {path_of(name): told(proxy, name) for name in proxy.routes.known}
        return web.json_response(every)

    async def put(request: web.Request) -> web.Response:
        body = await request.json()
        data = body.get("data") or {}
        name = name_of(request.match_info["path"])
        route = Route(body["target"], data.get("owner", ""), data.get("token", ""))
        proxy.routes.put(name, route)
        return web.Response(status=201)

    async def remove(request: web.Request) -> web.Response:
        name = name_of(request.match_info["path"])
        found = proxy.routes.remove(name)
        await proxy.close_sockets(name)
        return web.Response(status=204 if found else 404)

    admin = web.Application(middlewares=[only_the_app])
    admin.router.add_get("/api/routes", show)
    admin.router.add_post("/api/routes{path:.*}", put)
    admin.router.add_delete("/api/routes{path:.*}", remove)
    return admin


def told(proxy: Proxy, name: str) -> dict[str, Any]:
    route = proxy.routes.known[name]
    at = datetime.fromtimestamp(route.last_activity, UTC)
    return {
        "target": route.target,
        "data": {"owner": route.owner},
        "last_activity": at.isoformat(),
        "websockets": len(proxy.sockets.get(name, ())),
    }


def name_of(path: str) -> str:
    """`/s/<id>` is the session's id; `/` is the app."""
    found = path.strip("/")
    return found.removeprefix("s/") if found else APP


def path_of(name: str) -> str:
    return APP if name == APP else f"/s/{name}"
