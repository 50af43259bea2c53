"""Images that exist already: found at their registry, pinned by digest, pulled once."""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.images import Image
from docker.utils import parse_repository_tag

from envs.builder import Say
from envs.errors import BuildFailed, GitHostDown, RepoNotFound, UnknownRef
from envs.halt import Halt
from envs.hosts import check_host
from launcher.runtimes.docker.engine import Engine
from launcher.runtimes.docker.leftovers import IMAGES

log = logging.getLogger(__name__)
HUB = "docker.io"
"""Docker Hub, where names without a host lead."""


@dataclass(frozen=True)
class ExistingImages:
    """What links may name beside environment repositories."""

    engine: Engine
    registries: tuple[str, ...] = ("*",)
    """Hosts that links may name; `*` is every public one."""
    trusted: frozenset[str] = frozenset()
    """Names in the catalogue: from any registry, or made on this machine alone."""

    def digest(self, name: str, tag: str) -> str:
        """The SHA-256 that the tag names now; the engine's own copy where no registry answers.

        Of `sha256:` and a digest that digest, once its registry may be asked.

        :raises UnknownRef: no such tag; :raises RepoNotFound: no such image, or a private one;
        :raises GitHostDown: the registry does not answer; :raises HostNotAllowed: the settings
        do not let it be asked.
        """
        self._check(name)
        if tag.startswith("sha256:"):
            return tag.removeprefix("sha256:")
        try:
            found = self.engine.client.images.get_registry_data(f"{name}:{tag}")
            return str(found.id).removeprefix("sha256:")
        except (NotFound, APIError, OSError) as error:
            here = self._here(name, tag)
            if here:
                return here
            raise explain(error, name, tag, said=self._shown(error, name)) from error

    def ensure(self, reference: str, *, say: Say, halt: Halt) -> str:
        """A name by which a build can begin with `name@sha256:digest`, pulled if it is not here.

        :raises BuildFailed: it cannot be pulled; :raises HostNotAllowed: its registry may not be
            asked, whoever said so before; :raises EnvError: `halt` ended it.
        """
        name, _, digest = reference.partition("@")
        self._check(name)
        found = self._copy(name, digest)
        if found is None:
            say(f"Pulling {reference}")
            try:
                found = self.engine.pull(name, digest, halt=halt)
            except (DockerException, OSError) as error:
                raise BuildFailed(
                    f"The image {reference} cannot be pulled{self._shown(error, name)}.",
                    hint="Try again in a minute.",
                ) from error
        pinned = f"launcher/existing:{digest.removeprefix('sha256:')[:32]}"
        found.tag(pinned)
        return pinned

    def _check(self, name: str) -> None:
        """:raises HostNotAllowed: the image's registry is not one that links may name."""
        if name not in self.trusted:
            url = f"https://{registry_of(name)}/{name}"
            check_host(url, self.registries, setting="environments.registries")

    def _shown(self, error: Exception, name: str) -> str:
        """What the engine says of a registry; nothing where a stranger may have chosen that.

        It repeats what answered there, which may be another server of this network: a public
        registry may lead the engine anywhere.
        """
        said = words(error)
        host = registry_of(name)
        if name in self.trusted or host in (HUB, *self.registries):
            return f": {said[:300]}"
        log.warning("a registry fails", extra={"image": name, "said": said})
        return ""

    def below(self, name: str, *, say: Say, halt: Halt) -> str:
        """A name by which a Dockerfile begins with the image: its own where the engine has it.

        Else it is pulled, and has a passing name that means this image and no other.

        :raises BuildFailed: it cannot be pulled; :raises EnvError: `halt` ended it.
        """
        repository, mark = parse_repository_tag(name)
        reference = name if mark else f"{name}:latest"
        client = self.engine.client
        try:
            with contextlib.suppress(ImageNotFound):
                here = client.images.get(reference)
                if plain(reference) in (*here.tags, *here.attrs.get("RepoDigests", ())):
                    return reference
            say(f"Pulling {reference}")
            digest = str(halt.answer(lambda: client.images.get_registry_data(reference)).id)
            repository = parse_repository_tag(repository)[0]  # of name:tag@digest
            passing = f"{IMAGES}{digest.removeprefix('sha256:')[:32]}:below"
            try:
                self.engine.pull(repository, digest, halt=halt).tag(passing)
            except ImageNotFound:
                if not self.engine.has_image(passing):  # else another build has just named it so
                    raise
        except (DockerException, OSError) as error:
            raise BuildFailed(
                f"The image {reference} cannot be fetched{self._shown(error, repository)}.",
                hint="Check the name after FROM or --from=, or begin with launcher/base:3.11.",
            ) from error
        with contextlib.suppress(DockerException):  # else nothing would ever remove it
            client.images.remove(f"{repository}@{digest}")
        return passing

    def _copy(self, name: str, digest: str) -> Image | None:
        """The engine's own copy, pulled from the name or, for one that is trusted, by its id."""
        for known in (f"{name}@{digest}", digest if name in self.trusted else ""):
            with contextlib.suppress(ImageNotFound):
                if known:
                    return self.engine.client.images.get(known)
        return None

    def _here(self, name: str, tag: str) -> str:
        """The digest of the engine's own copy; one that was never at a registry only if trusted."""
        try:
            found = self.engine.client.images.get(f"{name}:{tag}")
        except (DockerException, OSError):
            return ""
        digests = [one.partition("@") for one in found.attrs.get("RepoDigests") or []]
        pulled = [digest for known, _, digest in digests if known in (name, plain(name))]
        if not pulled and name in self.trusted:
            pulled = [str(found.id)]
        return pulled[0].removeprefix("sha256:") if pulled else ""


def registry_of(name: str) -> str:
    """The registry's host: the first part where the engine takes that for one, else Docker Hub."""
    first, slash, _ = name.partition("/")
    is_host = first == "localhost" or re.search("[.:A-Z]", first)
    return first if slash and is_host else HUB


def plain(name: str) -> str:
    """The name as the engine keeps it: without Docker Hub's host."""
    return name.removeprefix("docker.io/").removeprefix("library/")


def words(error: Exception) -> str:
    """What the engine says."""
    return str(getattr(error, "explanation", "") or error).strip()


def explain(error: Exception, name: str, tag: str, *, said: str) -> Exception:
    """What the engine's complaint means for a person, with what may be shown of it."""
    whole = words(error)
    if "manifest unknown" in whole or "not found" in whole.lower():
        return UnknownRef(
            f"The image {name} has no tag {tag}.", hint="Look its tags up at its registry."
        )
    if "denied" in whole or "unauthorized" in whole:
        return RepoNotFound(
            f"There is no image {name}, or it is private.",
            hint="For a private one, run docker login on the server.",
        )
    return GitHostDown(
        f"The registry of {name} cannot be reached.",
        hint="Try again in a minute." + (f" The engine says{said}" if said else ""),
    )
