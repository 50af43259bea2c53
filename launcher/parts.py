"""The parts that the settings name: what the command line works with, and the app is made of.

Nothing of the web is imported here: a command that lists sessions needs none of it.
"""

from __future__ import annotations

import functools
import logging
import os
from dataclasses import dataclass

from envs.channels import Channels
from envs.git import Git
from envs.room import Room
from envs.store import Store
from envs.version import Version
from envs.version_cache import VersionCache
from launcher.classes.classes import Classes
from launcher.cleanup.cleanup import Cleanup
from launcher.cleanup.copies import Copies
from launcher.cleanup.planned import Planned
from launcher.config import Config
from launcher.content.copier import Copier
from launcher.content.mirror import Mirrors
from launcher.content.mirror_folder import MirrorFolder
from launcher.content.size import SizeLimits
from launcher.content.upstream import FetchLimits
from launcher.database import Database
from launcher.environment import Environments, is_chosen
from launcher.homes.home import Homes
from launcher.links.short_links import ShortLinks
from launcher.people import identity
from launcher.people.audit import Audit
from launcher.prebuild import Prebuild
from launcher.room.capacity import Capacity, Plan, plan_memory
from launcher.room.measured import Measured
from launcher.runtimes import choose_runtime
from launcher.runtimes.base import Runtime
from launcher.sessions.history import History

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

    @functools.cached_property
    def copier(self) -> Copier:
        return Copier()

    @functools.cached_property
    def classes(self) -> Classes:
        return Classes(self.database, self.config.classes)

    @functools.cached_property
    def audit(self) -> Audit:
        return Audit(self.database)


GIT_MEMORY = 4 * 1024**3
"""Bytes: git holds files of up to 512 MB in memory, and some at a time."""


def create_parts(config: Config) -> Parts:
    """The concrete parts that the settings name.

    :raises launcher.errors.NoRuntime: the runtime that the settings name cannot work here.
    """
    # Students read what builds make, as users of their own. What nobody else may read gets its
    # mode where it is made, and the data folder is closed.
    os.umask(0o022)
    config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    secret = identity.load_secret(config.data)
    git = Git(
        config.git.hosts,
        config.git.timeout,
        config.ca_bundle,
        config.git.credentials,
        memory=GIT_MEMORY,
    )
    runtime, why = choose_runtime(config, secret)
    place = MirrorFolder(config.data / "content")
    room = Room(
        config.content.min_free,
        lambda: [config.data],
        create_copies(place, config).make_room,
        setting="content.min_free",
    )
    mirrors = Mirrors(
        place.folder,
        git,
        depth=config.content.depth,
        fresh=config.content.fresh,
        limits=FetchLimits(config.content.fetch_largest, config.content.fetch_timeout),
        size=SizeLimits(config.content.largest, config.content.files),
        room=room,
    )
    database = Database.of(config.data)
    channels = Channels(config.data / "builds" / "channels.json")
    return Parts(
        config=config,
        secret=secret,
        git=git,
        runtime=runtime,
        why_runtime=why,
        channels=channels,
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
            largest=config.builds.largest,
            room=room,
            per_owner=config.builds.per_owner,
            kept=1 if config.environments.catalogue else 0,
            delegates=config.environments.delegates,
            trusts=lambda version: is_chosen(version, config.environments.catalogue, channels),
        ),
        mirrors=mirrors,
        homes=Homes(config.data / "homes"),
        database=database,
        history=History(database),
    )


def report_moved_tag(old: Version, new: Version) -> None:
    """A tag should never move; when one does, the log says what it was and what it is."""
    log.warning(
        "a tag moved: %s of %s", new.ref, new.repo, extra={"old": old.commit, "new": new.commit}
    )


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


def create_cleanup(parts: Parts) -> Cleanup:
    """What removes images that nothing needs."""
    builds = parts.config.builds
    return Cleanup(
        store=parts.store,
        runtime=parts.runtime,
        channels=parts.channels,
        versions=parts.versions,
        history=parts.history,
        planned=Planned(ShortLinks(parts.database), parts.classes),
        catalogue=dict(parts.config.environments.catalogue),
        keep_days=builds.keep_days,
        cache=builds.keep_cache,
        longest_build=builds.timeout,
        copies=create_copies(parts.mirrors.place, parts.config),
    )


def create_copies(place: MirrorFolder, config: Config) -> Copies:
    """What removes mirrors that no student's folder came from."""
    return Copies(place, config.data, config.content.keep_unused)
