"""What the link page offers: environments, versions, branches, files and apps, as they are here."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from envs.build import Build
from envs.channels import NEXT, STABLE
from envs.errors import EnvError
from envs.image import Image
from envs.sizes import human
from envs.stages import stages_of
from envs.version import EXISTING
from launcher.content.upstream import pick
from launcher.environment import environment_of
from launcher.errors import LaunchError
from launcher.links.looking import Looking, short, slow_note
from launcher.links.preflight import has_app
from link_generator.apps import APPS
from link_generator.checks import check_content
from link_generator.choices import Choice, Offer
from link_generator.content import Content
from link_generator.errors import BadLink
from link_generator.link import Link

STATES = {"running": ("active", "Building"), "failed": ("failed", "Failed")}
NOT_BUILT = ("", "Not built")
READY = ("ok", "Ready")
PACKAGES = {
    "rstudio": "RStudio Server and the Python package jupyter-rsession-proxy",
    "vscode": "code-server and the Python package jupyter-vscode-proxy",
}
"""What the environment needs for an app."""


def said(find: Callable[..., Offer]) -> Callable[..., Offer]:
    """Where nothing can be offered, the offer says why: whoever types goes on."""

    @functools.wraps(find)
    def offer(*args: object) -> Offer:
        try:
            return find(*args)
        except (EnvError, LaunchError, BadLink) as error:
            return Offer((), f"{error.message} {error.hint}".strip())

    return offer


@dataclass(frozen=True)
class HostChoices:
    """Looks in records and mirrors of this host, and asks git hosts only through `looking`."""

    looking: Looking

    def environments(self) -> Sequence[Choice]:
        """The catalogue, each with what is known of its stable version."""
        environments = self.looking.environments
        records, builder = environments.store.records, environments.store.builder
        unfinished = records.unfinished()  # first: one may end meanwhile
        builds = [*records.all(), *unfinished]
        images = {image.name: image for image in builder.list_images()}
        names = [name for name in environments.catalogue if can_be_named(name)]
        return [self._card(name, builds, images) for name in names]

    def _card(self, name: str, builds: Sequence[Build], images: Mapping[str, Image]) -> Choice:
        environments = self.looking.environments
        repo, tag = environment_of(Link(name), environments.catalogue, environments.channels)
        own = [build for build in builds if (build.repo, build.ref) == (repo, tag)]
        newest = max(own, key=lambda build: build.started, default=None)
        image = images.get(newest.name) if newest else None
        dot, word = STATES.get(newest.outcome if newest else "", READY if image else NOT_BUILT)
        facts = [environments.catalogue[name].title, tag]
        if newest and newest.outcome == "running":
            facts.append(self._stage(newest))
        python = image.labels.get("launcher.env.python", "") if image else ""
        facts += [f"Python {python}" if python else ""]
        facts += [human(image.size) if image and image.size else ""]
        return Choice(name, name, ", ".join(filter(None, facts)), dot, word)

    def _stage(self, build: Build) -> str:
        """The part of a build that is under way."""
        lines = self.looking.environments.store.records.log_lines(build.name)
        found = stages_of(lines, outcome="running")
        return found[-1].name if found else ""

    @said
    def versions(self, env: str) -> Offer:
        """Channels first, then tags, the newest first, then what never moves."""
        environments = self.looking.environments
        repo, tag = environment_of(Link(env), environments.catalogue, environments.channels)
        found = []
        if env in environments.catalogue:
            follows = f"now {tag}" if tag else "now its default branch"
            found.append(Choice(STABLE, f"stable ({follows})", "Recommended: follows what is good"))
            coming = environments.channels.tag(env, NEXT)
            if coming:
                found.append(Choice(NEXT, f"next (now {coming})", "What becomes stable next"))
        if repo.startswith(EXISTING):
            return Offer((*found, *self._pin(repo, tag, "sha256:", "Exactly this image")))
        refs = self.looking.refs(repo)
        tags = {short(name) for name in refs if name.startswith("refs/tags/")}
        found += [Choice(one, one, "Tag") for one in sorted(tags, key=natural, reverse=True)]
        heads = [short(name) for name in refs if name.startswith("refs/heads/")]
        found += [Choice(one, one, "Branch: its environment moves") for one in sorted(heads)]
        return Offer((*found, *self._pin(repo, tag, "", "Exactly this commit")))

    def _pin(self, repo: str, tag: str, before: str, words: str) -> list[Choice]:
        """The version that never changes, of what the environment is now."""
        commit = self.looking.environments.versions.known(repo, tag)
        if not commit:
            return []
        label = f"{words}: {commit[:7]}"
        return [Choice(f"{before}{commit}", label, f"Pinned: what {tag or 'it'} is now")]

    @said
    def branches(self, repo: str) -> Offer:
        """The default branch first, then branches, then tags, the newest first."""
        check_content(Content(repo), "")
        refs = self.looking.refs(repo)
        default = short(refs.get("HEAD", ""))
        heads = sorted(short(name) for name in refs if name.startswith("refs/heads/"))
        tags = {short(name) for name in refs if name.startswith("refs/tags/")}
        found = [Choice(one, one, "Branch, the default") for one in heads if one == default]
        found += [Choice(one, one, "Branch") for one in heads if one != default]
        found += [Choice(one, one, "Tag") for one in sorted(tags, key=natural, reverse=True)]
        return Offer(tuple(found))

    @said
    def files(self, repo: str, branch: str) -> Offer:
        """Notebooks first; a copy is used where the git host is slow."""
        check_content(Content(repo, branch), "")
        source = self.looking.content(repo, branch)
        files = self.looking.mirrors.listing.files(source)
        found = [Choice(one, f"{one}/", "Folder") for one in folders_of(files)]
        found += [Choice(one, one) for one in files]
        ordered = sorted(found, key=lambda one: (not one.value.endswith(".ipynb"), one.value))
        return Offer(tuple(ordered), slow_note(source))

    def apps(self, env: str, tag: str) -> Mapping[str, str]:
        """Read from the packages of the environment's image."""
        rare = [name for name, app in APPS.items() if not app.everywhere]
        environments = self.looking.environments
        try:
            link = Link(env, tag)
            repo, ref = environments.of(link)
            lock = self.looking.lock(repo, ref)
        except (EnvError, BadLink) as error:
            return dict.fromkeys(rare, error.message)
        return {name: why_not(name, lock, f"{env} {tag}".strip()) for name in rare}

    def names(self, repo: str) -> Collection[str]:
        """See `Looking.names`."""
        return self.looking.names(repo)

    def commit(self, repo: str, branch: str) -> str:
        """By asking the git host."""
        try:
            check_content(Content(repo, branch), "")
            return pick(repo, branch, self.looking.refs(repo), 0.0).commit
        except (EnvError, LaunchError, BadLink):
            return ""


def folders_of(files: Sequence[str]) -> set[str]:
    """Every folder that is above a file; each is looked at once, however deep it lies."""
    found = set[str]()
    for file in files:
        above = file.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def can_be_named(name: str) -> bool:
    """False for a name of the catalogue that no link can hold."""
    try:
        Link(name)
    except BadLink:
        return False
    return True


def why_not(app: str, lock: str, called: str) -> str:
    """Why an image with these packages does not offer the app; empty where it does."""
    if has_app(app, lock):
        return ""
    label = APPS[app].label
    if not lock:
        return f"{called} is not built yet: {label} is offered here as soon as it is and has it."
    return (
        f"{called} has no {label}. Add {PACKAGES[app]} to the environment's repository, make a new "
        "tag, and choose that."
    )


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts `v1.10` after `v1.9`."""
    return [
        (1, int(part), "") if part.isdigit() else (0, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]
