"""`python -m launcher.gateway`: the gateway process."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import os
import signal
import sys
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from launcher import logs
from launcher.gateway.admin import create_admin
from launcher.gateway.proxy import Proxy
from launcher.gateway.routes import Routes
from launcher.gateway.secrets import admin_token, app_secret


def main() -> int:
    """Serve until SIGTERM; exit code 1 when the port is taken."""
    parser = argparse.ArgumentParser(prog="python -m launcher.gateway", description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--data", required=True, type=Path, help="the launcher's data folder")
    parser.add_argument("--trust", action="append", default=[], type=network, metavar="NETWORK")
    parser.add_argument("--origin", action="append", default=[], metavar="ORIGIN")
    parser.add_argument("--log-format", default="json")
    parser.add_argument("--log-level", default="info")
    args = parser.parse_args()
    logs.set_up(args.log_format, args.log_level)
    logging.getLogger("aiohttp.server").addFilter(worth_a_traceback)
    if sys.stderr.isatty():  # a person there reads the story of launches, not every request
        logging.getLogger("launcher.gateway.access").setLevel(logging.WARNING)
    secret = bytes.fromhex((args.data / "secret.key").read_text().strip())
    proxy = Proxy(
        routes=Routes.load(args.data / "run" / "routes.json"),
        secret=secret,
        app_secret=app_secret(secret),
        trusted=tuple(args.trust),
        origins=tuple(args.origin),
    )
    try:
        asyncio.run(serve(proxy, args.listen, args.data / "run" / "gateway", admin_token(secret)))
    except OSError as error:
        print(f"the gateway cannot listen on {args.listen}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


async def serve(proxy: Proxy, listen: str, announce: Path, token: str) -> None:
    """Listen on the public port and on an admin port of loopback, which is announced in a file."""
    host, _, port = listen.rpartition(":")
    public = await run_app(public_app(proxy), host.strip("[]"), int(port))
    admin = await run_app(create_admin(proxy, token), "127.0.0.1", 0)
    announce.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    announce.write_text(f"{port_of(admin)} {port_of(public)} {os.getpid()}")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await stop.wait()
    await proxy.close_sockets(*list(proxy.sockets))
    proxy.routes.save()  # with the newest activity
    await proxy.close()
    await asyncio.gather(public.cleanup(), admin.cleanup())


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """An address or a network; argparse says which one is neither."""
    return ipaddress.ip_network(text, strict=False)


def worth_a_traceback(record: logging.LogRecord) -> bool:
    """False for what was no HTTP at all: scanners get their 400, and fill no log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def public_app(proxy: Proxy) -> web.Application:
    """Everything that comes in goes to the proxy, whatever its method or path."""
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{path:.*}", proxy.handle)
    app.on_response_prepare.append(proxy.share)
    return app


async def run_app(app: web.Application, host: str, port: int) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        shutdown_timeout=2.0,
        max_line_size=65536,
        max_field_size=65536,
    )
    await runner.setup()
    await web.TCPSite(runner, host, port, backlog=1024).start()
    return runner


def port_of(runner: web.AppRunner) -> int:
    return int(runner.addresses[0][1])


if __name__ == "__main__":
    sys.exit(main())
