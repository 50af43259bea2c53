"""The wiring of the web app: parts in, an app out."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from launcher.asking import Asking
from launcher.classes.board import Board
from launcher.classes.classes import Classes
from launcher.cleanup.kept_work import KeptWork
from launcher.config import Config
from launcher.content.delivery import Delivery, Observe, unobserved
from launcher.content.size import human
from launcher.content.undo import Undo
from launcher.database import Database
from launcher.gateway.client import GatewayClient
from launcher.gateway.process import client_of
from launcher.homes.bin import Bin
from launcher.launch import Launcher
from launcher.launches import Launches
from launcher.links.choices import HostChoices
from launcher.links.looking import Looking
from launcher.links.preflight import Preflight
from launcher.links.short_links import ShortLinks
from launcher.metrics.gauges import Gauges
from launcher.metrics.metrics import Metrics
from launcher.parts import Parts, create_capacity, create_parts
from launcher.people.audit import Audit
from launcher.people.identity import code_of
from launcher.people.people import People
from launcher.rehearsal import rehearsal
from launcher.rehearsal.rehearsal import Rehearsal, Rehearsals
from launcher.rehearsal.rehearsing import Rehearse, Rehearsing
from launcher.room.line import Line
from launcher.room.queue import Queue
from launcher.session import Limits
from launcher.sessions.notices import Notices
from launcher.sessions.sessions import Sessions
from launcher.warm.pool import Pool
from launcher.warm.wishes import Wishes
from launcher.web import audit as audit_page
from launcher.web import (
    binder,
    build_stream,
    builds,
    check,
    errors,
    go,
    health,
    hooks,
    kept_work,
    launch,
    login,
    notices,
    openapi,
    rehearse,
    request,
    sessions,
    short,
    work,
)
from launcher.web import board as board_page
from launcher.web import classes as classes_page
from launcher.web import metrics as metrics_page
from launcher.web.binder_links import BinderLinks
from launcher.web.clicks import ClickLimits
from launcher.web.given_json import GivenJson
from launcher.web.rate import RateLimit
from launcher.web.shown_builds import ShownBuilds
from link_generator import page
from link_generator.link import Link


def create_launcher(
    parts: Parts, gateway: GatewayClient, *, pulled: Observe = unobserved
) -> Launcher:
    """The parts joined into what a click needs."""
    config = parts.config
    per = config.session
    limits = Limits(per.memory, per.cpus, per.processes, per.disk, per.tmp)
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
        ),
        sessions=sessions,
        asking=Asking(),
    )


def disks_of(parts: Parts) -> dict[str, Path]:
    """A folder on each disk that must not fill up, by what is on it."""
    images = parts.runtime.folders()
    return {"data": parts.config.data, **({"images": images[0]} if images else {})}


def create_kept_work(parts: Parts, sessions: Sessions) -> KeptWork:
    """Students' folders that no session has."""
    config = parts.config
    return KeptWork(
        sessions,
        Bin(config.data / "bin", parts.homes),
        Audit(Database.of(config.data)),
        keep_days=config.homes.keep_days,
        bin_days=config.homes.bin_days,
    )


def create_rehearse(parts: Parts) -> Rehearse:
    """What rehearses a link at this server."""

    def run(link: Link, say: Callable[[str], None]) -> Rehearsal:
        return rehearsal.rehearse(
            link,
            server=rehearsal.own_address(parts.config),
            secret=parts.secret,
            runtime=parts.runtime,
            homes=parts.homes,
            say=say,
        )

    return run


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


def create_limits(config: Config) -> ClickLimits:
    return ClickLimits(
        RateLimit(config.web.launches_per_student),
        RateLimit(config.web.launches_per_address),
        config.trusted_proxies,
    )


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
            Classes(parts.database, config.classes).wanted,
            sessions.queue.capacity.students,
        ),
        queue=sessions.queue,
        most=config.pool.most,
        at_once=config.pool.at_once,
        window=config.pool.demand,
        start_timeout=config.session.start_timeout,
    )


def create_app(settings: Config | Parts, *, gateway: GatewayClient | None = None) -> Flask:
    """The web app of the settings, or of parts that were made from them.

    `gateway` is where routes to sessions go; without it, the one that runs for the data folder.
    """
    parts = settings if isinstance(settings, Parts) else create_parts(settings)
    config = parts.config
    gateway = gateway or client_of(config, parts.secret)
    metrics = Metrics(parts.store)
    launcher = create_launcher(parts, gateway, pulled=metrics.pulled)
    app = Flask("launcher.web", template_folder="templates", static_folder="static")
    app.config.update(SECRET_KEY=parts.secret, PUBLIC_URL=config.public_url)
    app.json = GivenJson(app)
    app.extensions["launcher"] = launcher
    app.logger.info("runtime chosen: %s", parts.why_runtime)
    app.before_request(request.begin)
    app.after_request(request.finish)
    app.jinja_env.filters["moment"] = request.moment
    app.jinja_env.filters["day"] = request.day
    app.jinja_env.filters["clock"] = request.clock
    app.jinja_env.filters["human"] = human
    looking = Looking(
        parts.environments,
        parts.mirrors,
        Asking(per_host=4, threads=32),
    )
    rehearsals = Rehearsals(config.data / "rehearsals")
    preflight = Preflight(looking, rehearsals)
    app.register_blueprint(
        page.create_blueprint(
            public_url=config.public_url,
            catalogue=config.environments.catalogue,
            check=preflight.check,
            choices=HostChoices(looking),
            form_token=request.csrf_token,
        )
    )
    app.register_blueprint(
        rehearse.create_blueprint(
            Rehearsing(create_rehearse(parts), rehearsals),
            RateLimit(config.web.rehearsals_per_hour),
            config.trusted_proxies,
        )
    )
    shown = ShownBuilds(
        parts.store,
        config.environments.catalogue,
        parts.channels,
        lambda repo: any(one.opens(repo) for one in config.git.credentials),
    )
    queue = launcher.sessions.queue
    queue.waited = metrics.of_queue(queue)
    metrics.registry.register(Gauges(launcher.sessions, disks_of(parts)))
    app.register_blueprint(
        metrics_page.create_blueprint(
            metrics,
            metrics_page.Readers(
                config.metrics.networks, config.metrics.token_file, config.trusted_proxies
            ),
        )
    )
    launches = Launches(metrics.measured(launcher.launch), errors.EXPECTED, queue)
    app.register_blueprint(launch.create_blueprint(launches, shown.address, create_limits(config)))
    links = BinderLinks(parts.versions, launcher.asking)
    app.register_blueprint(binder.create_blueprint(links, parts.runtime, gateway))
    app.register_blueprint(
        build_stream.create_blueprint(
            build_stream.BuildStream(
                links,
                launches,
                launcher.sessions,
                config.public_url,
                config.sessions_url or config.public_url,
                config.trusted_proxies,
                RateLimit(config.web.starts_per_hour),
                threading.BoundedSemaphore(max(1, config.web.streams)),
            )
        )
    )
    app.register_blueprint(builds.create_blueprint(shown))
    kept = create_kept_work(parts, launcher.sessions)
    app.register_blueprint(sessions.create_blueprint(launcher.sessions, parts.history, kept))
    app.register_blueprint(kept_work.create_blueprint(kept))
    told = app.extensions["notices"] = Notices()
    app.register_blueprint(notices.create_blueprint(launcher.sessions, parts.history, told))
    app.register_blueprint(work.create_blueprint(launcher, Undo(parts.runtime, parts.mirrors)))
    app.register_blueprint(
        hooks.create_blueprint(
            config.environments.catalogue,
            config.environments.webhook_secret_file,
            launcher.environments.prebuild.pushed,
        )
    )
    app.register_blueprint(check.create_blueprint(preflight))
    people, audit = People(parts.database), Audit(parts.database)
    app.extensions["people"] = people
    tries = RateLimit(10, window=600)
    app.register_blueprint(login.create_blueprint(people, audit, config.trusted_proxies, tries))
    app.register_blueprint(audit_page.create_blueprint(audit))
    short_links = ShortLinks(parts.database)
    app.register_blueprint(go.create_blueprint(short_links))
    app.register_blueprint(short.create_blueprint(short_links, audit, preflight, config.public_url))
    board = Board(
        launcher.sessions,
        launches,
        launcher.environments,
        functools.partial(code_of, parts.secret),
        errors.words_of,
    )
    planning = classes_page.Planning(
        Classes(parts.database, config.classes),
        parts.environments,
        queue.capacity,
        audit,
        preflight.check,
        board.courses,
    )
    app.register_blueprint(board_page.create_blueprint(board))
    app.register_blueprint(classes_page.create_blueprint(planning))
    app.register_blueprint(health.create_blueprint(parts.runtime, gateway))
    app.register_blueprint(openapi.create_blueprint())
    errors.register(app)
    return app
