"""`python -m launcher.gateway`: the gateway process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from launcher import logs
from launcher.gateway import pages
from launcher.gateway.admin import create_admin
from launcher.gateway.admission import Admission, path_of
from launcher.gateway.challenges import FOLDER, NAME, challenges
from launcher.gateway.door import KEEP_ALIVE, Door
from launcher.gateway.exits import Exit
from launcher.gateway.proxy import Proxy
from launcher.gateway.routes import Routes
from launcher.gateway.secrets import admin_token, app_secret
from launcher.gateway.sessions_host import SessionsHost
from launcher.gateway.tls import Certificate
from launcher.machine import open_files

LONGEST_LINE = 32768
"""Bytes of a request's first line: a link that names many repositories is long."""
LONGEST_FIELD = 16384
"""Bytes of one header; there may be 128."""


def main() -> int:
    """Serve until told to stop; else see `Exit`."""
    parser = argparse.ArgumentParser(prog="python -m launcher.gateway", description=__doc__)
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--data", required=True, type=Path, help="the launcher's data folder")
    parser.add_argument("--trust", action="append", default=[], type=network, metavar="NETWORK")
    parser.add_argument("--origin", action="append", default=[], metavar="ORIGIN")
    parser.add_argument("--sessions", metavar="URL", help="a host name for sessions alone ...")
    parser.add_argument("--home", metavar="URL", help="... and the launcher's own address")
    parser.add_argument("--cert", type=Path, help="PEM: the certificate and its chain")
    parser.add_argument("--key", type=Path, help="PEM: its key")
    parser.add_argument("--hsts", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--redirect", metavar="HOST:PORT", help="send plain http from here ...")
    parser.add_argument("--redirect-to", metavar="URL", help="... to this address")
    parser.add_argument("--challenges", type=Path, help="folder of certbot --webroot, for there")
    parser.add_argument("--largest", type=int, default=0, metavar="BYTES")
    parser.add_argument("--connections", type=int, default=4096, metavar="NUMBER")
    parser.add_argument("--mark", default="", help="tells launchers which settings these are")
    parser.add_argument("--log-format", default="json")
    parser.add_argument("--log-level", default="info")
    args = parser.parse_args()
    logs.set_up(args.log_format, args.log_level)
    logging.getLogger("aiohttp.server").addFilter(worth_a_traceback)
    if sys.stderr.isatty():  # a person there reads the story of launches, not every request
        logging.getLogger("launcher.gateway.access").setLevel(logging.WARNING)
    files = open_files.raise_limit()
    secret = bytes.fromhex((args.data / "secret.key").read_text().strip())
    proxy = Proxy(
        routes=Routes.load(args.data / "run" / "routes.json"),
        app_secret=app_secret(secret),
        admission=Admission(
            secret=secret,
            trusted=tuple(args.trust),
            sessions_host=SessionsHost(args.sessions, args.home) if args.sessions else None,
            origins=tuple(args.origin),
        ),
        largest=args.largest,
        hsts=args.hsts,
        # each may need one to a session, too
        door=Door(min(args.connections, max(16, (files - 100) // 2))),
    )
    try:
        certificate = Certificate(args.cert, args.key) if args.cert else None
    except OSError as error:
        print(f"the certificate {args.cert} cannot be used: {error}", file=sys.stderr)
        return Exit.CERTIFICATE
    redirect = (args.redirect, args.redirect_to) if args.redirect else None
    run = Running(proxy, args.listen, certificate, redirect, args.challenges)
    try:
        asyncio.run(run.serve(args.data / "run" / "gateway", admin_token(secret), args.mark))
    except CannotListen as error:
        print(f"the gateway cannot listen: {error}", file=sys.stderr)
        return error.code
    return 0


class CannotListen(Exception):
    """A port cannot be taken."""

    def __init__(self, code: Exit, why: OSError) -> None:
        super().__init__(why.strerror)
        self.code = code


@contextlib.contextmanager
def listening(code: Exit) -> Iterator[None]:
    """:raises CannotListen: with that exit code."""
    try:
        yield
    except OSError as error:
        raise CannotListen(code, error) from error


@dataclass
class Running:
    """The gateway's listeners: the public port, one for plain http, and the admin port."""

    proxy: Proxy
    listen: str
    certificate: Certificate | None = None
    redirect: tuple[str, str] | None = None
    """Where plain http listens, and the address that it sends everybody to."""
    challenges: Path | None = None
    """What plain http answers itself, for certificates."""

    async def serve(self, announce: Path, token: str, mark: str) -> None:
        """Serve until told to stop; the admin port is one of loopback, and announced in a file."""
        stop = stop_by_signals()
        proxy, door = self.proxy, self.proxy.door
        public = await set_up(public_app(proxy))
        context = self.certificate.context if self.certificate else None
        with listening(Exit.LISTEN):
            listeners = [await door.listen(public, *host_and_port(self.listen), context)]
        runners = [public]
        if self.redirect:
            runners.append(await set_up(redirect_app(self.redirect[1], self.challenges)))
            with listening(Exit.REDIRECT):
                listeners.append(await door.listen(runners[-1], *host_and_port(self.redirect[0])))
        admin = await set_up(create_admin(proxy, token, stop))
        runners.append(admin)
        await web.TCPSite(admin, "127.0.0.1", 0).start()
        port = listeners[0].sockets[0].getsockname()[1]
        write(announce, f"{admin.addresses[0][1]} {port} {os.getpid()} {mark}")
        watching = [asyncio.ensure_future(door.watch())]
        if self.certificate:
            watching.append(asyncio.ensure_future(self.certificate.watch()))
        await stop.wait()
        for task in watching:
            task.cancel()
        for listener in listeners:
            listener.close()
        await proxy.sockets.close(*list(proxy.sockets.joined))
        proxy.routes.save()  # with the newest activity
        await proxy.close()
        await asyncio.gather(*(one.cleanup() for one in runners))


def stop_by_signals() -> asyncio.Event:
    """Set by a signal; the admin port sets it, too."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


def write(announce: Path, text: str) -> None:
    """At once: whoever reads it finds this gateway or the one before, never half a line."""
    announce.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = announce.with_name(f"{announce.name}.{os.getpid()}")
    new.write_text(text)
    os.replace(new, announce)


def host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


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


def redirect_app(address: str, answers: Path | None) -> web.Application:
    """Sends visitors of plain http to the same page at `address`; never to a host they name.

    `answers` is the folder of what certificates are issued for, which stays plain.
    """

    async def elsewhere(request: web.Request) -> web.Response:
        to = address + path_of(request)
        return web.Response(status=308, headers={"Location": to, **pages.POLICY})

    app = web.Application(client_max_size=0)
    if answers:
        app.router.add_get(f"/{FOLDER}/{{token:{NAME}}}", challenges(answers))
    app.router.add_route("*", "/{path:.*}", elsewhere)
    return app


async def set_up(app: web.Application) -> web.AppRunner:
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        shutdown_timeout=2.0,
        keepalive_timeout=KEEP_ALIVE,
        max_line_size=LONGEST_LINE,
        max_field_size=LONGEST_FIELD,
    )
    await runner.setup()
    return runner


if __name__ == "__main__":
    sys.exit(main())
