"""What a link's environment stands for, and the image that a click gets of it."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from envs.build_places import BUILDING, WAITING
from envs.channels import NEXT, STABLE, Channels
from envs.credentials import same_place
from envs.errors import BadEnvironment, BuildFailed, NotOffered, OverLimit, TooManyBuilds
from envs.image import Image
from envs.store import Store
from envs.version import Version
from envs.version_cache import SOON, VersionCache
from launcher.homes.home import course_name
from launcher.prebuild import Prebuild
from launcher.progress import Phase, Progress, Tell
from launcher.session import EGRESS
from launcher.settings.entries import CatalogueEntry
from launcher.shared_look import SharedLook
from link_generator.env_part import env_address, env_image, split_env
from link_generator.link import Link

log = logging.getLogger(__name__)

BELIEVED = 1.0
"""Seconds in which an image that was there is not asked for again: a class clicks at once."""
REMEMBERED = 100
"""Versions of which that is known."""


@dataclass(frozen=True)
class Environments:
    """Finds, builds and keeps serving environments."""

    catalogue: Mapping[str, CatalogueEntry]
    channels: Channels
    versions: VersionCache
    store: Store
    prebuild: Prebuild

    @functools.cached_property
    def images(self) -> SeenImages:
        """Looks for the images of versions."""
        return SeenImages(self.store.find_image)

    def of(self, link: Link) -> tuple[str, str]:
        """Repository and tag, see `environment_of`."""
        return environment_of(link, self.catalogue, self.channels)

    def course(self, link: Link) -> str:
        """The course that the link belongs to: its content's, or else its environment's.

        :raises envs.errors.BadEnvironment: no such environment, and no content.
        """
        return course_name(self.address(link))

    def address(self, link: Link) -> str:
        """The repository whose course it is; for what it raises see `course`."""
        return link.repo or self.of(link)[0]

    def egress(self, link: Link) -> str:
        """What the catalogue lets sessions of the link's environment reach; empty: it says nothing.

        A link that names the repository or image instead of the entry gains nothing by that,
        however it spells it.
        """
        if link.env in self.catalogue:
            return self.catalogue[link.env].egress
        repo = self.of(link)[0]
        entries = [one for one in self.catalogue.values() if same_place(one.address, repo)]
        return min((one.egress for one in entries if one.egress), key=EGRESS.index, default="")

    def ensure_image(self, link: Link, tell: Tell) -> Image:
        """The image of the link's environment, built if it must be.

        Where its ref names something newer than what was good so far, students of an environment
        that is called by name go on with that while the newer one is built; and everybody does
        where it cannot be built.

        :raises envs.errors.EnvError: it cannot be found or built, and there is none before it.
        """
        repo, tag = self.of(link)
        tell(Progress(Phase.ENVIRONMENT, f"Looking up {repo} {tag}".rstrip()))
        version = self.versions.resolve_soon(repo, tag)
        called = tag or version.commit[:7]
        try:
            ready, older = self._ready_or_older(version)
        except OverLimit:  # said below, with the one before it
            ready = older = None
        if ready:
            tell(Progress(Phase.ENVIRONMENT, f"Environment {called} is ready", image=ready))
            return ready
        if older and link.env in self.catalogue:
            self.prebuild.start(version.repo, version.ref)
            said = f"A newer version of {called} is being built; this is the one before it"
            tell(Progress(Phase.ENVIRONMENT, said, image=older))
            return older
        try:
            image = self.store.ensure_image(version, say=saying(tell))
        except (BadEnvironment, BuildFailed, NotOffered, TooManyBuilds) as error:
            older = self.store.older_image(version)
            if older is None:
                raise
            log.warning("%s of %s failed, %s is used", called, repo, older.name)
            said = f"The newest version of {called} cannot be built ({error.message})"
            tell(Progress(Phase.ENVIRONMENT, said))
            instead = "The last good version is used instead"
            tell(Progress(Phase.ENVIRONMENT, instead, image=older))
            return older
        tell(Progress(Phase.ENVIRONMENT, f"Environment {called} is ready", image=image))
        return image

    def find_image(self, link: Link) -> Image | None:
        """What a click on the link would get at once, without a build; None where it needs one.

        :raises envs.errors.EnvError: its repository cannot be asked, or does not answer soon.
        """
        repo, tag = self.of(link)
        version = self.versions.resolve_soon(repo, tag, longest=SOON)
        try:
            ready, older = self._ready_or_older(version)
        except OverLimit:
            ready, older = None, self.store.older_image(version)
            if older is None:
                raise
        return ready or older

    def _ready_or_older(self, version: Version) -> tuple[Image | None, Image | None]:
        """The version's image if it is built, else the good one before it.

        :raises OverLimit: there is no room to fetch what says how it is built.
        """
        try:
            ready = self.images.find(version)
        except (BadEnvironment, NotOffered):  # said to everybody by the build itself
            return None, None
        return ready, None if ready else self.store.older_image(version)


@dataclass
class SeenImages:
    """Finds images of versions once for all who ask at the same time, or within a second.

    Reading what a version asks for and asking the engine would take most of a click's time.
    """

    look: Callable[[Version], Image | None]
    _seen: dict[Version, tuple[float, Image]] = field(default_factory=dict)
    """With the monotonic seconds of the look."""
    _looks: dict[Version, SharedLook[Image | None]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def find(self, version: Version) -> Image | None:
        """The version's image if it is built.

        :raises envs.errors.EnvError: as `look` does.
        """
        at, image = self._seen.get(version, (0.0, None))
        if image and time.monotonic() - at < BELIEVED:
            return image
        with self._guard:
            look = self._looks.setdefault(
                version, SharedLook(functools.partial(self._look, version))
            )
            for old in [*self._looks][:-REMEMBERED]:
                del self._looks[old]
                self._seen.pop(old, None)
        return look()

    def _look(self, version: Version) -> Image | None:
        began = time.monotonic()
        image = self.look(version)
        if image:
            self._seen[version] = (began, image)
        else:
            self._seen.pop(version, None)
        return image


def saying(tell: Tell) -> Callable[[str], None]:
    """What takes the lines of a build's log, for a launch's watchers."""

    def say(line: str) -> None:
        tell(Progress(Phase.ENVIRONMENT, line, log=True))
        if line.startswith((WAITING, BUILDING)):
            tell(Progress(Phase.ENVIRONMENT, line))

    return say


def link_of(env: str) -> Link:
    """The shortest link to an environment as links name it: `intro`, `intro@2025.1`, an address."""
    name, tag = split_env(env)
    return Link(env=name, tag=tag)


def is_chosen(
    version: Version, catalogue: Mapping[str, CatalogueEntry], channels: Channels
) -> bool:
    """Whether whoever made the catalogue chose the version.

    Any tag or branch of a repository of it; of other commits, which may be of somebody's fork,
    those that an entry or a channel names.
    """
    names = [name for name, entry in catalogue.items() if entry.address == version.repo]
    if version.kind != "commit":
        return bool(names)
    for link in [Link(env=name, tag=tag) for name in names for tag in (STABLE, NEXT)]:
        with contextlib.suppress(BadEnvironment):  # there is no next version
            if environment_of(link, catalogue, channels)[1] == version.ref:
                return True
    return False


def environment_of(
    link: Link, catalogue: Mapping[str, CatalogueEntry], channels: Channels
) -> tuple[str, str]:
    """Repository and tag that the link's environment stands for.

    Without a tag, a name from the catalogue stands for its stable channel.

    :raises envs.errors.BadEnvironment: a name that the catalogue does not hold, or no such channel.
    """
    address, image = env_address(link.env), env_image(link.env)
    if image:
        return image[0], link.tag or image[1]
    if address:
        return address, link.tag
    if link.env not in catalogue:
        known = ", ".join(sorted(catalogue))
        raise BadEnvironment(
            f"There is no environment called {link.env!r} here.",
            hint=f"Known here: {known}." if known else "Use its repository's address instead.",
        )
    entry = catalogue[link.env]
    repo = entry.address
    first = entry.tag or (entry.image[1] if entry.image else "")
    if link.tag == NEXT:
        tag = channels.tag(link.env, NEXT)
        if not tag:
            raise BadEnvironment(
                f"{link.env} has no next version at the moment.", hint=f"Use {link.env} as it is."
            )
        return repo, tag
    if link.tag in ("", STABLE):
        return repo, channels.tag(link.env, STABLE) or first
    return repo, link.tag
