"""The builds that pages may show, and the names by which people ask for them.

Everybody who can open the launcher may see builds of public repositories; those of private ones
are shown by `launcher env logs` only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from envs.build import Build
from envs.channels import NEXT, STABLE, Channels
from envs.credentials import same_place
from envs.store import Store
from launcher.settings.entries import CatalogueEntry
from link_generator.env_part import is_ssh


@dataclass(frozen=True)
class ShownBuilds:
    """Looks in the store's records only: no page asks a git host or builds anything."""

    store: Store
    catalogue: Mapping[str, CatalogueEntry]
    channels: Channels
    needs_credential: Callable[[str], bool]
    """True for the address of a repository that the settings name a credential for."""

    def every(self) -> list[Build]:
        """The newest build of each image, the newest first."""
        newest: dict[str, Build] = {}
        unfinished = self.store.records.unfinished()  # first: one may end meanwhile
        for build in [*unfinished, *self.store.records.all()]:
            known = newest.get(build.name)
            if self.is_public(build) and (known is None or known.started <= build.started):
                newest[build.name] = build
        return sorted(newest.values(), key=lambda build: -build.started)

    def find(self, name: str, tag: str = "") -> list[Build]:
        """The builds that an environment's name and tag may mean, the newest first.

        The name is one of the catalogue, or the one in an image's name; the tag is a tag, branch,
        channel, commit or the tag of an image. Without a tag it is every build of the name.
        """
        exact = self.of_image(f"env/{name}:{tag}")
        if exact:
            return [exact]
        entry = self.catalogue.get(name)
        if entry:
            found = [build for build in self.every() if same_place(build.repo, entry.address)]
        else:
            found = [build for build in self.every() if slug_of(build) == name]
        wanted = self.tag_of(name, tag)
        return [build for build in found if not tag or is_called(build, wanted)]

    def of_image(self, image: str) -> Build | None:
        """The newest build of exactly this image."""
        if not re.fullmatch(r"env/[\w.-]+:[\w.-]+", image):
            return None
        build = self.store.records.newest(image)
        return build if build and self.is_public(build) else None

    def tag_of(self, name: str, tag: str) -> str:
        """The tag that a channel of the catalogue stands for, else the tag itself."""
        entry = self.catalogue.get(name)
        if entry and tag in (STABLE, NEXT):
            return self.channels.tag(name, tag) or (entry.tag if tag == STABLE else tag)
        return tag

    def is_public(self, build: Build) -> bool:
        return not (is_ssh(build.repo) or self.needs_credential(build.repo))

    def address(self, image: str) -> str:
        """The address of the page of an image's build; empty where none may be shown."""
        return address_of(image) if image and self.of_image(image) else ""

    def name_of(self, build: Build) -> str:
        """What the catalogue calls its repository, else the name in the image's name."""
        for name, entry in self.catalogue.items():
            if same_place(entry.address, build.repo):
                return name
        return slug_of(build)

    def still_used(self, build: Build) -> str:
        """What students get while this build is not the one; empty where nothing was ever built.

        It is the stable tag, or for another commit of that tag the last one that was built.
        """
        name = self.name_of(build)
        stable = self.tag_of(name, STABLE) if name in self.catalogue else ""
        known = self.find(name, stable) if stable else []
        good = next((one for one in known if one.outcome == "built"), None)
        if good is None or good.name == build.name:
            return ""
        return f"{stable} at {good.commit[:7]}" if is_called(build, stable) else stable

    def before(self, build: Build) -> Build | None:
        """The build of the same repository that was there before, of another commit."""
        earlier = (
            one
            for one in self.every()
            if one.outcome == "built"
            and one.started < build.started
            and one.commit != build.commit
            and same_place(one.repo, build.repo)
        )
        return next(earlier, None)


def slug_of(build: Build) -> str:
    return build.name.removeprefix("env/").partition(":")[0]


def address_of(image: str) -> str:
    name, _, tag = image.removeprefix("env/").partition(":")
    return f"/env/{quote(name)}/{quote(tag)}"


def is_called(build: Build, tag: str) -> bool:
    """True where the tag is the build's ref or the beginning of its commit."""
    ref = re.sub(r"^refs/(heads|tags)/", "", build.ref)
    return tag in (build.ref, ref) or bool(
        re.fullmatch(r"[0-9a-f]{7,40}", tag) and build.commit.startswith(tag)
    )
