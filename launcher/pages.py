"""Every page, with the parts that it needs; `app.py` puts them into one app."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator

from flask import Blueprint

from launcher.board import Board
from launcher.cleanup.kept_work import KeptWork
from launcher.config import Config
from launcher.content.undo import Undo
from launcher.gateway.client import GatewayClient
from launcher.launch import Launcher
from launcher.launches import Launches
from launcher.links.choices import HostChoices
from launcher.links.preflight import Preflight
from launcher.links.short_links import ShortLinks
from launcher.metrics.metrics import Metrics
from launcher.parts import Parts
from launcher.people import identity
from launcher.people.people import People
from launcher.rehearsal import rehearsal
from launcher.rehearsal.rehearsal import Rehearsal, Rehearsals
from launcher.rehearsal.rehearsing import Rehearse, Rehearsing
from launcher.sessions.notices import Notices
from launcher.web import (
    audit,
    binder,
    board,
    build_stream,
    builds,
    check,
    classes,
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
from launcher.web import metrics as numbers
from launcher.web.binder_links import BinderLinks
from launcher.web.clicks import ClickLimits
from launcher.web.concurrency import PATIENCE, ConcurrencyLimit
from launcher.web.looks import CountedChoices, Looks
from launcher.web.rate import RateLimit
from launcher.web.shown_builds import ShownBuilds
from link_generator import page as link_page
from link_generator.link import Link


def of_links(parts: Parts, preflight: Preflight, rehearsals: Rehearsals) -> Iterator[Blueprint]:
    """Links made, looked at and rehearsed before they are shared; and those with short names."""
    config = parts.config
    looks = Looks(RateLimit(config.web.looks_per_hour), config.trusted_proxies)
    checked = looks.counted(preflight.check)
    yield link_page.create_blueprint(
        public_url=config.public_url,
        catalogue=config.environments.catalogue,
        check=checked,
        choices=CountedChoices(HostChoices(preflight.looking), looks),
        form_token=request.csrf_token,
    )
    yield check.create_blueprint(checked)
    yield rehearse.create_blueprint(
        Rehearsing(create_rehearse(parts), rehearsals),
        RateLimit(config.web.rehearsals_per_hour),
        config.trusted_proxies,
    )
    short_links = ShortLinks(parts.database)
    yield go.create_blueprint(short_links)
    yield short.create_blueprint(short_links, parts.audit, preflight, config.public_url)


def of_launches(
    parts: Parts, launches: Launches, launcher: Launcher, gateway: GatewayClient
) -> Iterator[Blueprint]:
    """A click and its waiting page, the same for programs, and how environments are built."""
    config = parts.config
    shown = ShownBuilds(
        parts.store,
        config.environments.catalogue,
        parts.channels,
        lambda repo: any(one.opens(repo) for one in config.git.credentials),
    )
    pool = launcher.sessions.pool
    ready = pool.has_ready if pool else (lambda image: False)
    yield launch.create_blueprint(launches, shown.address, create_limits(config), ready)
    links = BinderLinks(parts.versions, launcher.asking)
    yield binder.create_blueprint(links, parts.runtime, gateway)
    yield build_stream.create_blueprint(
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
    yield builds.create_blueprint(shown)
    yield hooks.create_blueprint(
        config.environments.catalogue,
        config.environments.webhook_secret_file,
        parts.environments.prebuild.pushed,
    )


def of_sessions(
    parts: Parts, launcher: Launcher, kept: KeptWork, told: Notices
) -> Iterator[Blueprint]:
    """My sessions, the work in them, and the work that is kept after them."""
    looks, changes = ConcurrencyLimit(), ConcurrencyLimit(patience=PATIENCE)
    yield sessions.create_blueprint(launcher.sessions, parts.history, kept)
    yield kept_work.create_blueprint(kept)
    yield work.create_blueprint(launcher, Undo(parts.runtime, parts.mirrors), looks, changes)
    yield notices.create_blueprint(launcher.sessions, parts.history, told, looks)


def of_people(parts: Parts, people: People) -> Iterator[Blueprint]:
    """Who signs in, and who did what."""
    tries = RateLimit(10, window=600)
    yield login.create_blueprint(people, parts.audit, parts.config.trusted_proxies, tries)
    yield audit.create_blueprint(parts.audit)


def of_classes(
    parts: Parts, launcher: Launcher, launches: Launches, preflight: Preflight
) -> Iterator[Blueprint]:
    """Classes that are planned, and how the one that begins gets in."""
    shown = Board(
        launcher.sessions,
        launches,
        launcher.environments,
        functools.partial(identity.code_of, parts.secret),
        errors.words_of,
    )
    planning = classes.Planning(
        parts.classes,
        parts.environments,
        launcher.sessions.queue.capacity,
        parts.audit,
        preflight.check,
        shown.courses,
    )
    yield board.create_blueprint(shown)
    yield classes.create_blueprint(planning)


def of_the_server(parts: Parts, metrics: Metrics, gateway: GatewayClient) -> Iterator[Blueprint]:
    """This server's health, its numbers, and what programs can ask."""
    config = parts.config
    yield health.create_blueprint(parts.runtime, gateway)
    readers = numbers.Readers(
        config.metrics.networks, config.metrics.token_file, config.trusted_proxies
    )
    yield numbers.create_blueprint(metrics, readers)
    yield openapi.create_blueprint()


def create_rehearse(parts: Parts) -> Rehearse:
    """What rehearses a link at this server."""

    def run(link: Link, say: Callable[[str], None]) -> Rehearsal:
        return rehearsal.rehearse(
            link,
            server=rehearsal.own_address(parts.config),
            sessions_url=parts.config.sessions_url,
            secret=parts.secret,
            runtime=parts.runtime,
            homes=parts.homes,
            say=say,
        )

    return run


def create_limits(config: Config) -> ClickLimits:
    return ClickLimits(
        RateLimit(config.web.launches_per_student),
        RateLimit(config.web.launches_per_address),
        config.trusted_proxies,
    )
