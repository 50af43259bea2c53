"""The story of one click: a link becomes a running session with the content in it.

Read this first. Each step is one call into the package that knows it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from envs.errors import BadEnvironment
from envs.image import Image
from envs.store import Store
from envs.version import VersionCache
from launcher.config import CatalogueEntry, Config
from launcher.content.delivery import deliver
from launcher.content.mirror import Mirrors, Upstream
from launcher.content.receipt import Receipt
from launcher.errors import PathNotFound
from launcher.home import course_name
from launcher.progress import Phase, Progress
from launcher.session import Session
from launcher.sessions import Sessions
from link_generator.link import APPS, Link, compose_link, content_folder, env_address

Tell = Callable[[Progress], None]
"""Takes the events of a launch as they happen."""


@dataclass(frozen=True)
class Opened:
    """How a launch ends well."""

    session: Session
    url: str
    """The notebook's absolute address."""
    receipt: Receipt | None
    """What the pull did; None for a link without content."""


@dataclass(frozen=True)
class Launcher:
    """The parts that a launch needs; made once, in `create_app`."""

    config: Config
    versions: VersionCache
    store: Store
    mirrors: Mirrors
    sessions: Sessions
    background: ThreadPoolExecutor

    def launch(self, link: Link, student: str, tell: Tell) -> Opened:
        """Open the link for the student, saying each step to `tell`.

        :raises envs.errors.EnvError: the environment cannot be found or built.
        :raises launcher.errors.LaunchError: anything else that keeps the notebook closed.
        """
        tell(Progress(Phase.LINK, "Link read"))
        repo, tag = environment_of(link, self.config.environments.catalogue)
        upstream = self._fetch_content(link)
        image = self._ensure_image(repo, tag, tell)
        source = upstream.result() if upstream else None
        if source:
            check_path(link, source, self.mirrors)
        with self.sessions.turn(student, course := course_name(link.repo or repo)):
            spec, session = self.sessions.ensure(
                student, course, image.name, compose_link(link, ""), tell
            )
            receipt = None
            if source:
                tell(Progress(Phase.CONTENT, f"Copying the course files, {source.commit[:7]}"))
                receipt = deliver(
                    source,
                    mirrors=self.mirrors,
                    spec=spec,
                    runtime=self.sessions.runtime,
                    folder=content_folder(link.repo),
                )
                tell(Progress(Phase.CONTENT, receipt.sentence()))
            tell(Progress(Phase.OPENING, f"Opening {APPS[link.app].label}"))
            session = self.sessions.open(spec)
        folder = content_folder(link.repo) if link.repo else ""
        target = APPS[link.app].target(folder, link.path)
        return Opened(session, f"{self.config.public_url}{spec.base_url}{target}", receipt)

    def _fetch_content(self, link: Link) -> Future[Upstream] | None:
        """The newest content, asked for while the environment is looked up."""
        if not link.repo:
            return None
        return self.background.submit(self.mirrors.refresh, link.repo, link.branch)

    def _ensure_image(self, repo: str, tag: str, tell: Tell) -> Image:
        tell(Progress(Phase.ENVIRONMENT, f"Looking up {repo} {tag}".rstrip()))
        version = self.versions.resolve(repo, tag)
        image = self.store.ensure_image(
            version, say=lambda line: tell(Progress(Phase.ENVIRONMENT, line, log=True))
        )
        tell(Progress(Phase.ENVIRONMENT, f"Environment {tag or version.commit[:7]} is ready"))
        return image


def environment_of(link: Link, catalogue: Mapping[str, CatalogueEntry]) -> tuple[str, str]:
    """Repository and tag that the link's environment stands for.

    :raises envs.errors.BadEnvironment: a name that the catalogue does not hold.
    """
    address = env_address(link.env)
    if address:
        return address, link.tag
    if link.env not in catalogue:
        known = ", ".join(sorted(catalogue))
        raise BadEnvironment(
            f"There is no environment called {link.env!r} here.",
            hint=f"Known here: {known}." if known else "Use its repository's address instead.",
        )
    entry = catalogue[link.env]
    return env_address(entry.repo) or entry.repo, link.tag or entry.tag


def check_path(link: Link, upstream: Upstream, mirrors: Mirrors) -> None:
    """Refuse a link whose file is not in the content.

    :raises PathNotFound: with the nearest paths that exist.
    """
    if not link.path or mirrors.has_path(upstream, link.path):
        return
    near = nearest_paths(link.path, mirrors.files(upstream))
    raise PathNotFound(
        f"{link.path!r} is not in the course files at {upstream.ref} ({upstream.commit[:7]}).",
        hint=f"Did you mean {near[0]!r}?" if near else "Open the folder instead.",
        near=near,
    )


def nearest_paths(path: str, files: list[str]) -> list[str]:
    """Up to three files with a similar path, or the same name in another folder."""
    by_path = difflib.get_close_matches(path, files, n=3, cutoff=0.6)
    name = path.rsplit("/", 1)[-1]
    same_name = [file for file in files if file.rsplit("/", 1)[-1] == name]
    return list(dict.fromkeys([*same_name, *by_path]))[:3]
