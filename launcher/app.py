"""The wiring: parts joined into a launcher, and both into the web app."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from envs.sizes import human
from launcher import pages
from launcher.asking import Asking
from launcher.cleanup.kept_work import KeptWork
from launcher.config import Config
from launcher.content.delivery import Delivery, Observe, unobserved
from launcher.gateway.client import GatewayClient
from launcher.gateway.process import client_of
from launcher.homes.bin import Bin
from launcher.launch import Launcher
from launcher.launches import Launches
from launcher.links.looking import Looking
from launcher.links.preflight import Preflight
from launcher.metrics.gauges import Gauges
from launcher.metrics.metrics import Metrics
from launcher.parts import Parts, create_capacity, create_parts
from launcher.people.people import People
from launcher.rehearsal.rehearsal import Rehearsals
from launcher.room.line import Line
from launcher.room.queue import Queue
from launcher.session import Limits
from launcher.sessions.notices import Notices
from launcher.sessions.sessions import Sessions
from launcher.warm.pool import Pool
from launcher.warm.wishes import Wishes
from launcher.web import errors, request
from launcher.web.given_json import GivenJson


def create_app(settings: Config | Parts, *, gateway: GatewayClient | None = None) -> Flask:
    """The web app of the settings, or of parts that were made from them.

    `gateway` is where routes to sessions go; without it, the one that runs for the data folder.
    """
    parts = settings if isinstance(settings, Parts) else create_parts(settings)
    gateway = gateway or client_of(parts.config, parts.secret)
    metrics = Metrics(parts.store)
    launcher = create_launcher(parts, gateway, pulled=metrics.pulled)
    queue = launcher.sessions.queue
    queue.waited = metrics.of_queue(queue)
    metrics.registry.register(Gauges(launcher.sessions, disks_of(parts)))
    launches = Launches(metrics.measured(launcher.launch), errors.EXPECTED, queue)
    looking = Looking(parts.environments, parts.mirrors, Asking(per_host=4, threads=32, waiting=32))
    rehearsals = Rehearsals(parts.config.data / "rehearsals")
    preflight = Preflight(looking, rehearsals)
    kept = create_kept_work(parts, launcher.sessions)
    told, people = Notices(), People(parts.database)
    app = create_flask(parts)
    app.extensions |= {"launcher": launcher, "notices": told, "people": people}
    for blueprint in (
        *pages.of_links(parts, preflight, rehearsals),
        *pages.of_launches(parts, launches, launcher, gateway),
        *pages.of_sessions(parts, launcher, kept, told),
        *pages.of_people(parts, people),
        *pages.of_classes(parts, launcher, launches, preflight),
        *pages.of_the_server(parts, metrics, gateway),
    ):
        app.register_blueprint(blueprint)
    errors.register(app)
    return app


def create_flask(parts: Parts) -> Flask:
    """An app without pages: what happens around each request, and how templates write values."""
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(
        SECRET=parts.secret,  # as Flask's own key it would open a session for every request
        PUBLIC_URL=parts.config.public_url,
        SESSIONS_URL=parts.config.sessions_url,
    )
    app.json = GivenJson(app)
    app.logger.info("runtime chosen: %s", parts.why_runtime)
    app.logger.info("isolation: %s", parts.runtime.describe())
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.jinja_env.filters |= {
        "moment": request.moment,
        "day": request.day,
        "clock": request.clock,
        "human": human,
    }
    return app


def create_launcher(
    parts: Parts, gateway: GatewayClient, *, pulled: Observe = unobserved
) -> Launcher:
    """The parts joined into what a click needs."""
    config = parts.config
    per = config.session
    limits = Limits(per.memory, per.cpus, per.processes, per.disk, per.tmp, per.files)
    sessions = Sessions(
        runtime=parts.runtime,
        gateway=gateway,
        homes=parts.homes,
        history=parts.history,
        secret=parts.secret,
        limits=limits,
        start_timeout=config.session.start_timeout,
        queue=create_queue(parts),
    )
    sessions.pool = create_pool(parts, sessions)
    return Launcher(
        config=config,
        environments=parts.environments,
        mirrors=parts.mirrors,
        delivery=Delivery(
            parts.mirrors,
            parts.runtime,
            snapshots=config.content.snapshots,
            snapshot_days=config.content.snapshot_days,
            pulled=pulled,
            copy=parts.copier.copy,
        ),
        sessions=sessions,
        asking=Asking(),
    )


def create_queue(parts: Parts) -> Queue:
    """The line for places, with those who stood in it before a restart."""
    config = parts.config
    queue = Queue(
        create_capacity(config),
        Line(parts.database),
        take_within=config.queue.take_within,
        grace=config.queue.grace,
    )
    queue.pace.ended(one.seconds for one in reversed(parts.history.newest(50)))
    return queue


def create_pool(parts: Parts, sessions: Sessions) -> Pool | None:
    """The warm sessions, where there can be any; `start` begins to keep them."""
    config, warm = parts.config, parts.runtime.warm
    if warm is None:
        return None
    return Pool(
        parts.runtime,
        warm,
        sessions.spec_of_nobody,
        sessions.answers,
        sessions.rouse,
        wishes=Wishes(
            parts.environments,
            config.session.egress,
            parts.classes.wanted,
            sessions.queue.capacity.students,
        ),
        queue=sessions.queue,
        most=config.pool.most,
        at_once=config.pool.at_once,
        window=config.pool.demand,
        start_timeout=config.session.start_timeout,
    )


def create_kept_work(parts: Parts, sessions: Sessions) -> KeptWork:
    """Students' folders that no session has."""
    config = parts.config
    return KeptWork(
        sessions,
        Bin(config.data / "bin", parts.homes),
        parts.audit,
        keep_days=config.homes.keep_days,
        bin_days=config.homes.bin_days,
    )


def disks_of(parts: Parts) -> dict[str, Path]:
    """A folder on each disk that must not fill up, by what is on it."""
    images = parts.runtime.folders()
    return {"data": parts.config.data, **({"images": images[0]} if images else {})}
