"""What can turn a recipe into an image: a Docker engine, or a folder of prepared venvs.

The store in this package decides *whether* to build; a builder only knows *how*.
Builders live with the runtime that can start what they build (`launcher/runtimes/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from envs.base import Base
from envs.halt import NO_HALT, Halt
from envs.image import Image
from envs.recipe import Recipe

Say = Callable[[str], None]
"""Takes one line of the build log, without its line end."""
TAIL = 20
"""Lines of a build's output that are kept in memory, for its error; the log has them all."""
LONGEST_LINE = 10_000
"""Characters; a stranger's program may print without ever ending its line."""


class Bases(Protocol):
    """Base images, one for each Python, made once."""

    def base(self, python: str) -> Base:
        """What the base of this Python is made of.

        :raises envs.errors.NotOffered: the settings have no such Python.
        """

    def ensure(self, python: str, *, say: Say) -> Base:
        """The base of this Python, built if it is not here yet."""

    def build(self, base: Base, *, say: Say) -> None:
        """Build the base, even if it is there."""


class Builder(Protocol):
    """Builds, finds and removes images."""

    kind: str
    """`docker` or `venv`: how the image is made."""

    @property
    def bases(self) -> Bases | None:
        """What its images stand on; None where they stand on this machine's own files."""

    def plan(self, recipe: Recipe, source: Path) -> str:
        """Everything that shapes the image beside the commit: equal plans give equal images.

        Includes what the base is made of and the builder's version.

        :raises envs.errors.NotOffered: this builder cannot make such an image.
        """

    def dockerfile(self, recipe: Recipe, *, source: Path) -> str:
        """What it would build of a recipe without a Dockerfile of its own; empty for no Dockerfile.

        :raises envs.errors.NotOffered: this builder cannot make such an image.
        """

    def find_image(self, name: str) -> Image | None:
        """The image of exactly this name if it was built completely."""

    def list_images(self) -> list[Image]:
        """Every image that this launcher built."""

    def build(
        self,
        name: str,
        recipe: Recipe,
        *,
        source: Path,
        labels: Mapping[str, str],
        say: Say,
        halt: Halt = NO_HALT,
        cache: str = "",
    ) -> Image:
        """Build the image from the checkout in `source`, and only then give it its name.

        `cache` says whose package caches the build uses and fills: what one build put there, the
        next one installs. Empty: nobody else's.

        :raises envs.errors.BuildFailed: a step failed; nothing of that name exists then.
        :raises envs.errors.BuildCancelled: `halt` ended it; nothing is left then, too.
        """

    def remove_image(self, name: str) -> None:
        """Remove the image; one that does not exist is fine."""

    def digest(self, name: str, tag: str) -> str:
        """The SHA-256 that the tag of an image that exists already names now.

        Instead of a tag also `sha256:` and the digest itself: then it is only seen whether the
        image's registry may be asked.

        :raises envs.errors.NotOffered: this builder knows no such images.
        :raises envs.errors.UnknownRef: no such tag; :raises envs.errors.RepoNotFound: no such
        image; :raises envs.errors.GitHostDown: its registry does not answer;
        :raises envs.errors.HostNotAllowed: it may not be asked.
        """

    def sweep(self, *, older: float, cache: int, dry_run: bool) -> list[tuple[str, str, int]]:
        """Remove what killed builds left that is `older` (seconds), and caches down to `cache`.

        Each with its kind, name and bytes; `dry_run` only tells.
        """

    def lock(self, name: str) -> str:
        """The packages of a built image, as `name==version` lines; empty where nobody knows."""
