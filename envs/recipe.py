"""What to install for an environment, as data. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass, replace

DEFAULT_PYTHON = "3.11"


@dataclass(frozen=True)
class Conda:
    """The conda packages that an environment.yml asks for."""

    file: str
    """Its path, for messages."""
    specs: tuple[str, ...]
    channels: tuple[str, ...]
    """Names or web addresses, the first counts most."""
    shared: bool = False
    """True where it brings its own JupyterLab, which is then the server, too."""


@dataclass(frozen=True)
class Recipe:
    """What an environment repository asks for; paths are relative to the repository's root."""

    kind: str
    """`python` (the launcher's base plus what the files name), `conda`, `dockerfile`, `image`
    (one that exists already) or `repo2docker`."""
    delegated: str = ""
    """Why repo2docker must build it: `Project.toml asks for Julia`."""
    python: str = DEFAULT_PYTHON
    """`x.y`; without meaning for a Dockerfile."""
    apt: tuple[str, ...] = ()
    """Debian packages, sorted, each `name` or `name=version`."""
    requirements: str = ""
    """Path of the requirements.txt, or empty."""
    generated: str = ""
    """The text of `requirements` where another file asked for it, so that it is not there yet."""
    r: str = ""
    """R's version `x.y`, or `any`; empty without R."""
    r_date: str = ""
    """The day whose CRAN the packages come from, `2025-06-01`; empty for the newest."""
    r_script: str = ""
    """Path of install.R, or empty."""
    r_package: bool = False
    """True to install the repository's own R package."""
    package: bool = False
    """True to install the repository's own package."""
    conda: Conda | None = None
    otherwise: Conda | None = None
    """The same by conda, for builders that lack this Python."""
    lock: str = ""
    """The lock of an earlier build of the same commit, which this one keeps to."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables of sessions."""
    post_build: str = ""
    start: str = ""
    dockerfile: str = ""
    """Path of the Dockerfile, or empty."""
    image: str = ""
    """`name@sha256:digest` of the image that exists already, or empty."""
    used: tuple[str, ...] = ()
    """The files that shape the image."""
    ignored: tuple[tuple[str, str], ...] = ()
    """Files that look like configuration but do not count, each with the reason."""
    warnings: tuple[str, ...] = ()
    """Sentences for the build log."""

    @property
    def ours(self) -> bool:
        """True where the launcher's own base is below; else its author answers for the contents."""
        return self.kind in ("python", "conda")

    def fitted(self, *, has_python: bool) -> Recipe:
        """The recipe, by conda where the builder lacks its Python and the files allow that."""
        if has_python or not self.otherwise:
            return self
        return replace(
            self, kind="conda", conda=self.otherwise, otherwise=None, python=DEFAULT_PYTHON
        )
