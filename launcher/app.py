"""The only wiring: settings in, an app with all its parts out."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from envs.channels import Channels
from envs.git import Git
from envs.store import Store
from envs.version import Version, VersionCache
from launcher.asking import Asking
from launcher.classes.classes import Classes
from launcher.cleanup.kept_work import KeptWork
from launcher.config import Config
from launcher.content.delivery import Delivery, Observe, unobserved
from launcher.content.mirror import Mirrors
from launcher.content.size import SizeLimits, human
from launcher.content.undo import Undo
from launcher.content.upstream import FetchLimits
from launcher.database import Database
from launcher.environment import Environments
from launcher.gateway.client import GatewayClient
from launcher.gateway.process import client_of
from launcher.homes.bin import Bin
from launcher.homes.home import Homes
from launcher.launch import Launcher
from launcher.launches import Launches
from launcher.links.choices import HostChoices
from launcher.links.looking import Looking
from launcher.links.preflight import Preflight
from launcher.links.short_links import ShortLinks
from launcher.metrics.gauges import Gauges
from launcher.metrics.metrics import Metrics
from launcher.people import identity
from launcher.people.audit import Audit
from launcher.people.people import People
from launcher.prebuild import Prebuild
from launcher.rehearsal import rehearsal
from launcher.rehearsal.rehearsal import Rehearsal, Rehearsals
from launcher.rehearsal.rehearsing import Rehearse, Rehearsing
from launcher.room.capacity import Capacity, Plan, plan_memory
from launcher.room.line import Line
from launcher.room.measured import Measured
from launcher.room.queue import Queue
from launcher.runtimes import choose_runtime
from launcher.runtimes.base import Runtime
from launcher.session import Limits
from launcher.sessions.history import History
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
from launcher.web import classes as classes_page
from launcher.web import metrics as metrics_page
from launcher.web.binder_links import BinderLinks
from launcher.web.clicks import ClickLimits
from launcher.web.given_json import GivenJson
from launcher.web.rate import RateLimit
from launcher.web.shown_builds import ShownBuilds
from link_generator import page
from link_generator.link import Link

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """Everything that does not need the gateway: what the command line works with, too."""

    config: Config
    secret: bytes
    git: Git
    runtime: Runtime
    why_runtime: str
    """Which runtime this is and why, in a sentence."""
    channels: Channels
    versions: VersionCache
    store: Store
    mirrors: Mirrors
    homes: Homes
    database: Database
    history: History

    @functools.cached_property
    def environments(self) -> Environments:
        prebuild = Prebuild(
            lambda repo, ref: self.store.ensure_image(
                self.versions.resolve(repo, ref), say=log.debug
            )
        )
        catalogue = self.config.environments.catalogue
        return Environments(catalogue, self.channels, self.versions, self.store, prebuild)


def create_parts(config: Config) -> Parts:
    """The concrete parts that the settings name.

    :raises launcher.errors.NoRuntime: the runtime that the settings name cannot work here.
    """
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = identity.load_secret(config.data)
    git = Git(config.git.hosts, config.git.timeout, config.ca_bundle, config.git.credentials)
    runtime, why = choose_runtime(config, secret)
    database = Database.of(config.data)
    return Parts(
        config=config,
        secret=secret,
        git=git,
        runtime=runtime,
        why_runtime=why,
        channels=Channels(config.data / "builds" / "channels.json"),
        versions=VersionCache(
            git,
            tag_life=config.environments.tag_life,
            moved=report_moved_tag,
            follow=config.environments.moved_tags == "follow",
            file=config.data / "builds" / "versions.json",
            digest=runtime.images.digest,
        ),
        store=Store(
            config.data / "builds",
            runtime.images,
            git,
            at_once=config.builds.at_once,
            delegates=config.environments.delegates,
        ),
        mirrors=Mirrors(
            config.data / "content",
            git,
            depth=config.content.depth,
            fresh=config.content.fresh,
            limits=FetchLimits(config.content.fetch_largest, config.content.fetch_timeout),
            size=SizeLimits(config.content.largest, config.content.files),
        ),
        homes=Homes(config.data / "homes"),
        database=database,
        history=History(database),
    )


def report_moved_tag(old: Version, new: Version) -> None:
    """A tag should never move; when one does, the log says what it was and what it is."""
    log.warning(
        "a tag moved: %s of %s", new.ref, new.repo, extra={"old": old.commit, "new": new.commit}
    )


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


def create_capacity(config: Config) -> Capacity:
    """What the settings allow, with what was measured of sessions."""
    given = config.capacity
    plan = Plan(
        memory=plan_memory(given.memory, given.system),
        reserve=given.reserve,
        largest=config.session.memory,
        sessions=given.sessions,
        per_student=given.per_student,
        per_course=given.per_course,
    )
    return Capacity(plan, Measured(config.data / "run" / "memory.json"))


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
    planning = classes_page.Planning(
        Classes(parts.database, config.classes),
        parts.environments,
        queue.capacity,
        audit,
        preflight.check,
    )
    app.register_blueprint(classes_page.create_blueprint(planning))
    app.register_blueprint(health.create_blueprint(parts.runtime, gateway))
    app.register_blueprint(openapi.create_blueprint())
    errors.register(app)
    return app
