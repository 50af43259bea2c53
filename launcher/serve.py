"""`launcher serve`: the app on waitress, the gateway in front of it, and the reaper."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hmac
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import waitress
from waitress.server import BaseWSGIServer

from launcher.app import create_app, create_kept_work
from launcher.cleanup import kept_work, leftovers
from launcher.cleanup.cleanup import regularly
from launcher.cleanup.guests import EVERY, Guests
from launcher.config import Config, where_sessions_are, why_unreachable
from launcher.errors import LaunchError
from launcher.gateway.process import Gateway, GatewayFailed, ensure_gateway
from launcher.gateway.secrets import app_secret
from launcher.in_use import note_settings
from launcher.machine import open_files
from launcher.parts import Parts, create_cleanup, create_parts
from launcher.people import identity
from launcher.sessions.adoption import adopt, reattach, take_stock
from launcher.sessions.notices import Notices
from launcher.sessions.reaper import Reaper
from launcher.sessions.sessions import Sessions
from launcher.sessions.watch import Watch
from launcher.warm.before_class import BeforeClass
from launcher.warm.pool import Pool

log = logging.getLogger(__name__)

HEALTH_THREADS = 2
"""Of a server of their own: `/healthz` is answered while every other thread is busy."""
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class AlreadyServing(LaunchError):
    """Another launcher serves the same data folder."""


@dataclass
class Running:
    """A launcher that serves; `stop` leaves its sessions running."""

    url: str
    parts: Parts
    gateway: Gateway
    _servers: tuple[BaseWSGIServer, ...]
    _reaper: Reaper
    _watch: Watch
    _pool: Pool | None
    _lock: IO[str]
    _ended: threading.Event
    every: float = 1.0
    """Seconds between two looks at the gateway."""

    def wait(self) -> None:
        """Return when `stop` was called; a gateway that died meanwhile is started again.

        It sleeps, and does not wait for the event: a signal's exception may come at any moment, and
        within a lock's own code it would leave that lock in disorder.
        """
        while not self._ended.is_set():
            try:
                self.gateway.ensure()
            except GatewayFailed as error:  # it may have been killed again: try until it works
                log.error("the gateway did not start: %s", error)
            time.sleep(self.every)

    def stop(self) -> None:
        """End the app and the gateway. Sessions go on."""
        if self._ended.is_set():
            return
        self._ended.set()
        try:
            self._reaper.stop()
            self._watch.stop()
            for server in self._servers:
                server.close()
            if self._pool:
                self._pool.stop()
            self.parts.copier.stop()
        finally:
            self.gateway.stop()
            self._lock.close()
        log.info("stopped; sessions go on")


def start(config: Config) -> Running:
    """Serve until `stop`; returns when links can be clicked.

    :raises AlreadyServing: another launcher holds the data folder.
    :raises launcher.errors.LaunchError: the port is taken, or nothing can start sessions.
    """
    make_data_folder(config.data)
    open_files.raise_limit()
    with contextlib.ExitStack() as undo:  # what began ends again where the rest cannot
        lock = undo.enter_context(hold(config.data / "serve.lock"))
        secret = identity.load_secret(config.data)
        gateway = ensure_gateway(config, secret)
        undo.push(functools.partial(end_after, gateway))
        note_settings(config)
        running = _serve(config, secret, gateway, lock)
        undo.pop_all()
        return running


def end_after(gateway: Gateway, kind: type[BaseException] | None, *_: object) -> None:
    """A start that fails ends what it began; one that is told to stop, the gateway of before, too.

    Else that serves the sessions that run until a start succeeds.
    """
    if gateway.process or not (kind and issubclass(kind, Exception)):
        gateway.stop()


def _serve(config: Config, secret: bytes, gateway: Gateway, lock: IO[str]) -> Running:
    """The app behind a gateway that runs."""
    if config.listen[1] == 0:
        config = replace(config, public_url=gateway.url)
    parts = create_parts(config)
    app = create_app(parts, gateway=gateway.client)
    for template in app.jinja_env.list_templates():
        app.jinja_env.get_template(template)  # compiled now, and not by the first class
    guarded = only_from_gateway(app, app_secret(secret))
    server = listen(guarded, threads=config.web.threads + config.web.streams)
    health = listen(guarded, threads=HEALTH_THREADS)
    sessions = app.extensions["launcher"].sessions
    take_stock(sessions)
    for one in (server, health):
        in_thread("waitress", one.run)
    gateway.client.set_app(address_of(server))
    gateway.client.set_health(address_of(health))
    reaper = create_reaper(config, sessions, app.extensions["notices"])
    reaper.look_at_walls()
    reattach(sessions)
    adopted = adopt(sessions)
    if adopted:
        log.info("adopted running sessions", extra={"sessions": len(adopted)})
    reaper.start()
    parts.copier.start()
    pool = sessions.pool
    if pool:
        pool.start()
    watch = Watch(sessions, app.extensions["notices"])
    watch.start()
    log.info("serving", extra={"url": config.public_url, "runtime": sessions.runtime.name})
    log.info(where_sessions_are(config))
    if why := why_unreachable(config):
        log.warning(why)
    ended = threading.Event()
    begin_regular_work(parts, sessions, ended)
    servers = (server, health)
    return Running(config.public_url, parts, gateway, servers, reaper, watch, pool, lock, ended)


def create_reaper(config: Config, sessions: Sessions, notices: Notices) -> Reaper:
    return Reaper(
        sessions,
        idle=config.session.idle,
        max_age=config.session.max_age,
        when_full=config.queue.idle,
        notices=notices,
        every=max(1.0, min(15.0, config.session.idle / 4)),
    )


def begin_regular_work(parts: Parts, sessions: Sessions, ended: threading.Event) -> None:
    """What is done again and again until `ended`, each in a thread of its own."""
    config = parts.config
    BeforeClass(parts.classes, parts.environments, parts.mirrors).start(ended)
    cleaning = (create_cleanup(parts).run, config.builds.gc_every, ended)
    forgetting = (Guests(sessions, config.web.guest_life).remove_old, EVERY, ended)
    keeping = (create_kept_work(parts, sessions).run, kept_work.EVERY, ended)
    if config.builds.gc_every:
        in_thread("gc", regularly, *cleaning)
    in_thread("guests", regularly, *forgetting)
    in_thread("homes", regularly, *keeping)
    tidying = {"older": config.builds.timeout, "ended": ended}
    in_thread("tidy", leftovers.regularly, config.data, parts.runtime.sweep, **tidying)


def in_thread(name: str, work: Callable[..., object], *args: Any, **words: Any) -> None:
    threading.Thread(target=work, args=args, kwargs=words, name=name, daemon=True).start()


def listen(app: Wsgi, *, threads: int) -> BaseWSGIServer:
    """A server on a port of loopback; it does not serve yet."""
    return waitress.create_server(
        app,
        host="127.0.0.1",
        port=0,
        threads=threads,
        connection_limit=max(1000, 4 * threads),
        asyncore_use_poll=True,
        ident=None,
        clear_untrusted_proxy_headers=False,
    )


def address_of(server: BaseWSGIServer) -> str:
    return f"http://127.0.0.1:{server.effective_port}"


def make_data_folder(folder: Path) -> None:
    """The data folder holds secrets and students' work: nobody else may look in."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def hold(path: Path) -> IO[str]:
    """Take the lock for this process's life; a killed process gives it back.

    :raises AlreadyServing: somebody else has it.
    """
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise AlreadyServing(
            f"Another launcher already serves the data folder {path.parent}.",
            hint="Stop it first, or give this one another folder with --data.",
        ) from error
    return file


def only_from_gateway(app: Wsgi, secret: str) -> Wsgi:
    """The app's own port refuses everybody but the gateway, which alone sets forwarded headers."""

    def guarded(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        given = environ.pop("HTTP_X_LAUNCHER_GATEWAY", "")
        if not hmac.compare_digest(given.encode("latin-1"), secret.encode()):
            start_response("403 Forbidden", [("Content-Type", "text/plain")])
            return [b"This port is for the gateway only.\n"]
        environ["wsgi.url_scheme"] = environ.get("HTTP_X_FORWARDED_PROTO", "http")
        return app(environ, start_response)

    return guarded
