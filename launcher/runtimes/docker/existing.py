"""Images that exist already: found at their registry, pinned by digest, pulled once."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.models.images import Image

from envs.builder import Say
from envs.errors import BuildFailed, GitHostDown, RepoNotFound, UnknownRef
from envs.hosts import check_host
from launcher.runtimes.docker.engine import Engine


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

        :raises UnknownRef: no such tag; :raises RepoNotFound: no such image, or a private one;
        :raises GitHostDown: the registry does not answer, or may not be asked.
        """
        if name not in self.trusted:
            check_host(f"https://{registry_of(name)}/{name}", self.registries,
                       setting="environments.registries")  # fmt: skip
        try:
            found = self.engine.client.images.get_registry_data(f"{name}:{tag}")
            return str(found.id).removeprefix("sha256:")
        except (NotFound, APIError, OSError) as error:
            here = self._here(name, tag)
            if here:
                return here
            raise explain(error, name, tag) from error

    def ensure(self, reference: str, *, say: Say) -> str:
        """A name by which a build can begin with `name@sha256:digest`, pulled if it is not here.

        :raises BuildFailed: it cannot be pulled.
        """
        name, _, digest = reference.partition("@")
        found = self._copy(name, digest)
        if found is None:
            say(f"Pulling {reference}")
            try:
                found = self.engine.client.images.pull(name, tag=digest)
            except (DockerException, OSError) as error:
                why = getattr(error, "explanation", "") or error
                raise BuildFailed(
                    f"The image {reference} cannot be pulled: {why}", hint="Try again in a minute."
                ) from error
        pinned = f"launcher/existing:{digest.removeprefix('sha256:')[:32]}"
        found.tag(pinned)
        return pinned

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
    """The registry's host: the first part where that is one, else Docker Hub."""
    first, slash, _ = name.partition("/")
    return (
        first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
    )


def plain(name: str) -> str:
    """The name as the engine keeps it: without Docker Hub's host."""
    return name.removeprefix("docker.io/").removeprefix("library/")


def explain(error: Exception, name: str, tag: str) -> Exception:
    """What the engine's complaint means for a person."""
    said = str(getattr(error, "explanation", "") or error)
    if "manifest unknown" in said or "not found" in said.lower():
        return UnknownRef(
            f"The image {name} has no tag {tag}.", hint="Look its tags up at its registry."
        )
    if "denied" in said or "unauthorized" in said:
        return RepoNotFound(
            f"There is no image {name}, or it is private.",
            hint="For a private one, run docker login on the server.",
        )
    return GitHostDown(
        f"The registry of {name} cannot be reached.",
        hint=f"Try again in a minute. The engine says: {said.strip()[:300]}",
    )
