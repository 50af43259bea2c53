"""The admin port: routes in the words of configurable-http-proxy, which can stand in for it."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from launcher.gateway.proxy import Proxy
from launcher.gateway.routes import APP, HEALTH, Route
from launcher.machine import open_files


def create_admin(proxy: Proxy, token: str, stop: asyncio.Event) -> web.Application:
    """The admin application; every request needs `Authorization: token <token>`.

    `stop` is set when the gateway shall end.
    """

    @web.middleware
    async def only_the_app(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(
            given.encode("utf-8", "surrogateescape"), f"token {token}".encode()
        ):
            raise web.HTTPForbidden(text="wrong token")
        return await handler(request)

    async def show(_request: web.Request) -> web.Response:
        every = {address_of_route(name): told(proxy, name) for name in proxy.routes.known}
        return web.json_response(every)

    async def show_one(request: web.Request) -> web.Response:
        name = name_of(request.match_info["path"])
        if name not in proxy.routes.known:
            raise web.HTTPNotFound(text="no such route")
        return web.json_response(told(proxy, name))

    async def put(request: web.Request) -> web.Response:
        route = route_of(await request.text())
        name = name_of(request.match_info["path"])
        proxy.routes.put(name, route)
        if name in (APP, HEALTH):  # nobody looks whether these are there
            proxy.routes.save()
        else:
            proxy.routes.keep()
        return web.Response(status=201)

    async def remove(request: web.Request) -> web.Response:
        name = name_of(request.match_info["path"])
        found = proxy.routes.remove(name)
        await proxy.sockets.close(name)
        if found:
            proxy.routes.keep()
        return web.Response(status=204 if found else 404)

    async def numbers(_request: web.Request) -> web.Response:
        return web.json_response(
            {
                "requests": [[*key, count] for key, count in sorted(proxy.counted.items())],
                "websockets": sum(len(every) for every in proxy.sockets.joined.values()),
                "connections": proxy.door.open,
                "files": open_files.count(),
                "turned_away": proxy.door.turned_away,
            }
        )

    async def end(_request: web.Request) -> web.Response:
        stop.set()
        return web.Response(status=202)

    admin = web.Application(middlewares=[only_the_app])
    admin.router.add_get("/api/numbers", numbers)
    admin.router.add_post("/api/stop", end)
    admin.router.add_get("/api/routes", show)
    admin.router.add_get("/api/routes{path:/.*}", show_one)
    admin.router.add_post("/api/routes{path:.*}", put)
    admin.router.add_delete("/api/routes{path:.*}", remove)
    return admin


def route_of(body: str) -> Route:
    """The route that a POST describes; anything else is refused with a sentence."""
    try:
        row = json.loads(body)
        data = row.get("data") or {}
        route = Route(str(row["target"]).rstrip("/"), data.get("owner", ""), data.get("token", ""))
    except (ValueError, KeyError, AttributeError) as error:
        raise web.HTTPBadRequest(text="expected a JSON object with `target` and `data`") from error
    if not re.fullmatch(r"http://[\w.:\[\]-]+", route.target):
        raise web.HTTPBadRequest(text="`target` must be http://HOST:PORT, without a path")
    return route


def told(proxy: Proxy, name: str) -> dict[str, Any]:
    route = proxy.routes.known[name]
    at = datetime.fromtimestamp(route.last_activity, UTC)
    return {
        "target": route.target,
        "data": {"owner": route.owner},
        "last_activity": at.isoformat(),
        "websockets": len(proxy.sockets.joined.get(name, ())),
    }


def name_of(path: str) -> str:
    """`/s/<id>` is the session's id; `/` and `/healthz` are the app's."""
    found = path.strip("/")
    if path == HEALTH:
        return HEALTH
    return found.removeprefix("s/") if found else APP


def address_of_route(name: str) -> str:
    return name if name in (APP, HEALTH) else f"/s/{name}"
