"""The way in: the public port and WebSockets through it. The way out: git hosts and indexes."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import aiohttp
import requests
from aiohttp import web

from envs.credentials import parts_of
from launcher.config import Config, where_sessions_are, why_unreachable
from launcher.doctor.finding import Finding
from launcher.gateway.client import GatewayClient
from launcher.machine.ports import why_not_free
from launcher.session import new_session_id
from launcher.settings.values import session_address

PATIENCE = 10.0
"""Seconds for each thing that is asked for."""


def way_in(config: Config, gateway: GatewayClient | None, here: str) -> Iterator[Finding]:
    """The port, and where the launcher serves, a WebSocket through it and the public address.

    `here` is the gateway's own address.
    """
    host, port = config.listen
    if gateway is None:
        yield port_is_free(host, port)
        if config.tls.redirect:
            yield port_is_free(*config.tls.redirect, setting="tls.redirect")
        return
    yield Finding("gateway", True, f"answers for {here}")
    told = websocket_through(gateway, here, trust=False, named=config.sessions_url)
    yield Finding(
        "WebSocket", told is None, told or f"frames come back through {here}",
        "See the gateway's lines in the log.",
    )  # fmt: skip
    public = config.sessions_url or config.public_url
    if public != here:
        told = websocket_through(gateway, public)
        yield Finding(
            "public address",
            told is None,
            told or f"WebSockets come back through {public}",
            "Does the name lead here, and does the proxy in front pass WebSockets on?",
            serious=False,
        )


def reach(config: Config) -> Finding:
    """Whether the settings let browsers of other machines in."""
    why = why_unreachable(config)
    said = why or f"the settings lead from {config.public_url} to here"
    return Finding("reach", not why, said, "See docs/administration.md.", serious=False)


def origin(config: Config) -> Finding:
    """Whether browsers keep sessions apart from the launcher's pages."""
    return Finding(
        "host names",
        bool(config.sessions_url),
        where_sessions_are(config),
        "Give them one of their own: `sessions_url`, see docs/administration.md.",
        serious=False,
    )


def port_is_free(host: str, port: int, setting: str = "listen") -> Finding:
    why = why_not_free(host, port)
    there = why or "free; the launcher does not serve now"
    return Finding(
        "port" if setting == "listen" else f"port of {setting}",
        why is None,
        f"{host}:{port}: {there}",
        f"Choose another with `{setting}` in the settings, or end the program that has it.",
    )


def websocket_through(
    gateway: GatewayClient,
    address: str,
    *,
    trust: bool = True,
    named: str = "",
) -> str | None:
    """None when a frame that is sent to `address` comes back from a server of our own behind it.

    Without `trust` any certificate will do: ours may name the public host only. `named` is the
    address that sessions have, where it is another.
    """
    try:
        return asyncio.run(_echo_through(gateway, address, trust=trust, named=named))
    except (aiohttp.ClientError, requests.RequestException, OSError, TimeoutError) as error:
        return f"no WebSocket through {address}: {type(error).__name__} {error}".rstrip()


async def _echo_through(
    gateway: GatewayClient, address: str, *, trust: bool, named: str
) -> str | None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        there = web.WebSocketResponse()
        await there.prepare(request)
        async for message in there:
            await there.send_str(message.data)
        return there

    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    name, token, frame = new_session_id(), secrets.token_hex(16), secrets.token_hex(8)
    target = f"http://127.0.0.1:{runner.addresses[0][1]}"
    sent = {"Authorization": f"token {token}"}
    if named:
        sent["Host"] = urlsplit(session_address(named, name)).netloc
    try:
        await asyncio.to_thread(gateway.add_route, name, target, "", token)
        async with (
            asyncio.timeout(PATIENCE),
            aiohttp.ClientSession(headers=sent) as client,
            client.ws_connect(f"{session_address(address, name)}/s/{name}/echo", ssl=trust) as line,
        ):
            await line.send_str(frame)
            said = await line.receive_str()
        return None if said == frame else "a WebSocket's frame came back changed"
    finally:
        await asyncio.to_thread(gateway.remove_route, name)
        await runner.cleanup()


def way_out(config: Config) -> Iterator[Finding]:
    """Whether the git hosts and package indexes that the settings name answer from here."""
    wanted = places(config)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda place: why_not_reached(*place[1:]), wanted)
        for (name, host, port, _), why in zip(wanted, answers, strict=True):
            yield Finding(
                name,
                why is None,
                why or f"{host}:{port} is reached",
                "Is there a way out to it: DNS, firewall, proxy?",
                serious=False,
            )


def places(config: Config) -> list[tuple[str, str, int, str]]:
    """What to reach, as name, host, port and scheme, each once."""
    repos = [one.address for one in config.environments.catalogue.values() if not one.image]
    repos += [one.url for one in config.git.credentials]
    found = {}
    for repo in repos:
        try:
            (scheme, host, port), _path = parts_of(repo)
        except ValueError:
            continue
        found[host, port] = f"git host {host}", scheme
    for host in config.git.hosts:
        name, _, number = host.partition(":")
        if "*" not in host and not any(known == name for known, _ in found):
            found[name, int(number or 443)] = f"git host {name}", "https"
    for url in (config.base.index_url,):
        parts = urlsplit(url)
        if parts.hostname:
            port = parts.port or (80 if parts.scheme == "http" else 443)
            found.setdefault((parts.hostname, port), ("package index", parts.scheme))
    return [(name, host, port, scheme) for (host, port), (name, scheme) in found.items()]


def why_not_reached(host: str, port: int, scheme: str) -> str | None:
    """None where it answers, by the proxy that the environment names for it, if there is one."""
    known = getproxies_environment()
    proxy = known.get(scheme, "") if scheme in ("http", "https") else ""
    if proxy and not proxy_bypass(host):
        return why_not_by_proxy(host, port, scheme, proxy)
    try:
        socket.create_connection((host, port), PATIENCE).close()
    except OSError as error:
        return f"{host}:{port} is not reached: {error.strerror or error}"
    return None


def why_not_by_proxy(host: str, port: int, scheme: str, proxy: str) -> str | None:
    shown = proxy.rpartition("//")[2].rpartition("@")[2]
    address = f"[{host}]" if ":" in host else host
    try:
        # Whatever the host says is an answer; its certificate is not what is asked for.
        answer = requests.head(
            f"{scheme}://{address}:{port}/",
            timeout=PATIENCE,
            allow_redirects=False,
            proxies={scheme: proxy},
        )
    except requests.exceptions.SSLError:
        return None
    except requests.exceptions.ProxyError as error:
        return f"{host}:{port} is not reached by the proxy {shown}: {reason(error)}"
    except requests.RequestException as error:
        return f"{host}:{port} is not reached by the proxy {shown}: {type(error).__name__}"
    refused = scheme == "http" and answer.status_code in (403, 407, 502, 503, 504)
    return f"the proxy {shown} says {answer.status_code} of {host}:{port}" if refused else None


def reason(error: requests.RequestException) -> str:
    """What the proxy said, without the address that holds its password."""
    found = re.search(r"Tunnel connection failed: ([^'\")]{1,100})", str(error))
    return found[1] if found else "no answer"
