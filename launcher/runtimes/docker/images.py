"""Images on a Docker engine: built under a temporary tag, checked, and only then named."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import re
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, ImageNotFound

from envs import conda, render_r
from envs.base import CA_IN_IMAGE, Base
from envs.builder import Say
from envs.errors import BuildFailed, NotOffered
from envs.halt import NO_HALT, Halt
from envs.image import Image
from envs.readers.delegated import KIND, hand_over
from envs.readers.files import read_lines
from envs.readers.requirements import refers_to_repository
from envs.recipe import Recipe
from envs.render import CONDA, LOCK_IN_IMAGE, made_files, render_dockerfile, render_layer
from envs.smoke import WORKS, smoke_command
from launcher.runtimes.docker.bases import DockerBases
from launcher.runtimes.docker.context import context_of, with_arguments
from launcher.runtimes.docker.delegate import INSTALL, Delegate
from launcher.runtimes.docker.downloads import (
    beginning_with,
    refuse_downloads,
    refuse_triggers,
    without_syntax_line,
)
from launcher.runtimes.docker.engine import Engine
from launcher.runtimes.docker.existing import ExistingImages
from launcher.runtimes.docker.leftovers import sweep
from launcher.settings.sections import CondaConfig

BUILDER = "docker-1"
"""Counts up when the same recipe would give another image."""
OURS = "launcher.env.name"
ASKS_FOR_PYTHON = r"(^|/)(runtime\.txt|environment\.ya?ml|Pipfile(\.lock)?)$"
CONDA_META = """
import glob, json, sys
for path in sorted(glob.glob(sys.prefix + "/conda-meta/*.json")):
    known = json.load(open(path))
    print(known.get("url", "") + "#" + known.get("sha256", ""))
"""
# What sessions need of an image; its own user does not matter, they run as 1000.
CONTRACT = (
    "command -v python3 >/dev/null || { echo 'it has no python3'; exit 1; }; "
    "git --version >/dev/null || { echo 'it has no git'; exit 1; }; "
    "jupyter-server --version >/dev/null 2>&1 || jupyter server --version >/dev/null 2>&1 "
    "|| { echo 'it has no Jupyter server'; exit 1; }; "
    'echo "launcher:"" it works"'
)

# The lock of an image of ours; of others the packages of its Python and of the conda around it.
LIST_PACKAGES = (
    f"if [ -s {LOCK_IN_IMAGE} ]; then cat {LOCK_IN_IMAGE}; exit; fi; "
    "python3 -m pip list --format=freeze --disable-pip-version-check 2>/dev/null; "
    f"python3 -c {shlex.quote(CONDA_META)}"
)

HINTS = {
    "python": "Change the versions that the environment's files ask for.",
    "dockerfile": "Mend it in the Dockerfile, or begin with FROM launcher/base:3.11.",
    "image": "Mend it in a Dockerfile that begins with this image.",
    KIND: "Name it in the environment's files; Nix brings nothing that default.nix does not name.",
}
# What a session needs and the launcher can add to whatever image a Dockerfile makes.
LACKS = f"command -v git >/dev/null || echo git; [ ! -s {CA_IN_IMAGE} ] && echo certificates; true"


@dataclass
class DockerImages:
    """Satisfies `envs.builder.Builder` on a Docker engine."""

    engine: Engine
    bases: DockerBases
    ca_bundle: Path | None
    conda: CondaConfig
    existing: ExistingImages
    delegate: Delegate
    kind: str = "docker"

    @property
    def client(self) -> docker.DockerClient:
        return self.engine.client

    def plan(self, recipe: Recipe, source: Path) -> str:
        recipe = self.routed(recipe)
        if not recipe.ours:
            below = [self.bases.base(python).name for python in self.bases_named_in(source, recipe)]
            how = self.delegate.plan(recipe) if recipe.kind == KIND else recipe.dockerfile
            return "\n".join([BUILDER, how or recipe.image, *below, self.trusted_hash()])
        base = self.bases.base(recipe.python)
        made = made_files(replace(recipe, lock=""), channels=self.channels(recipe)[0])
        return "\n".join([BUILDER, self.render(recipe, source, base), *made.values()])

    def dockerfile(self, recipe: Recipe, *, source: Path) -> str:
        recipe = self.routed(recipe)
        if recipe.kind == KIND:
            return self.delegate.dockerfile(recipe, source=source)
        return self.render(recipe, source, self.bases.base(recipe.python))

    def routed(self, recipe: Recipe) -> Recipe:
        """The recipe as it is built: by conda or repo2docker where only those have its Python.

        :raises NotOffered: it cannot be made here.
        """
        if not recipe.ours:
            return recipe
        recipe = recipe.fitted(has_python=self.bases.offers(recipe.python))
        try:
            self.bases.base(recipe.python)
            render_r.check_version(recipe, self.bases.releases(recipe.python))
        except NotOffered as error:
            files = [path for path in recipe.used if re.search(ASKS_FOR_PYTHON, path)]
            why = f"{files[0]}: {error.message}" if files and not recipe.r else error.message
            if self.delegate.allowed and self.delegate.find_program():
                return hand_over(recipe, why.rstrip("."))
            hint = f"{error.hint} repo2docker could build it: {INSTALL}."
            raise NotOffered(why, hint=hint) from error
        return recipe

    def trusted_hash(self) -> str:
        trusted = self.ca_bundle.read_bytes() if self.ca_bundle else b""
        return hashlib.sha256(trusted).hexdigest()

    def render(self, recipe: Recipe, source: Path, base: Base) -> str:
        """The Dockerfile of a recipe; the legacy builder's differs only in cache mounts."""
        needs = refers_to_repository(source, recipe)
        settings = self.bases.settings
        return render_dockerfile(
            recipe,
            base=base.name,
            needs_repo=needs,
            mounts=self.engine.mounts,
            cran=render_r.cran_url(recipe, mirror=settings.cran, snapshots=settings.cran_snapshots),
        )

    def channels(self, recipe: Recipe) -> tuple[tuple[str, ...], dict[str, Path]]:
        """The addresses of the recipe's conda channels as the build sees them.

        Folders of this machine, which only the settings can name, come into its context.
        """
        urls, folders = list[str](), dict[str, Path]()
        for url in self.conda.urls(recipe.conda.channels) if recipe.conda else ():
            if url.startswith("file://"):
                inside = f"channels/{len(folders)}"
                folders[f"{conda.FOLDER}/{inside}"] = Path(url.removeprefix("file://"))
                url = f"file://{CONDA}/{inside}"
            urls.append(url)
        return tuple(urls), folders

    def find_image(self, name: str) -> Image | None:
        try:
            return image_of(self.client.images.get(name), name)
        except ImageNotFound:
            return None

    def list_images(self) -> list[Image]:
        rows = self.client.api.images(filters={"label": OURS})
        found = (self._by_id(str(row["Id"])) for row in rows)
        return [image_of(one, str(one.labels[OURS])) for one in found if one and one.tags]

    def _by_id(self, image_id: str) -> Any:
        try:
            return self.client.images.get(image_id)
        except ImageNotFound:  # removed since it was listed
            return None

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
        halt = halt.within(self.engine.timeout)
        self.engine.room.ensure(say)
        temp = f"launcher-build/{uuid.uuid4().hex[:12]}:new"
        recipe = self.routed(recipe)
        for python in self.bases_named_in(source, recipe):
            base = self.bases.ensure(python, say=say, halt=halt)
            self.client.images.get(base.name).tag(base.short_name)
        try:
            if recipe.kind == KIND and self.engine.limits:
                raise NotOffered(
                    "repo2docker builds without limits, and this server has limits for builds.",
                    hint="Use a Dockerfile, or take the limits out of `builds` in the settings.",
                )
            if recipe.kind == KIND:
                labels = {**labels, "launcher.env.kind": KIND}
                with self.engine.walled():
                    self.delegate.build(
                        recipe,
                        source=source,
                        tag=temp,
                        labels=labels,
                        say=say,
                        halt=halt,
                        cache=self.engine.cache_names(cache or name),
                    )
            else:
                self.build_itself(
                    recipe,
                    source=source,
                    tag=temp,
                    labels=labels,
                    say=say,
                    halt=halt,
                    cache=cache or name,
                )
            if not recipe.ours:
                self.complete(temp, labels, say, halt, anyway=recipe.kind == KIND)
            self.check(temp, recipe, say, halt)
            self.client.images.get(temp).tag(name)
        finally:
            with contextlib.suppress(DockerException):
                self.client.images.remove(temp)
        found = self.find_image(name)
        if found is None:
            raise BuildFailed("The engine lost the image right after the build.")
        return found

    def build_itself(
        self,
        recipe: Recipe,
        *,
        source: Path,
        tag: str,
        labels: Mapping[str, str],
        say: Say,
        halt: Halt,
        cache: str,
    ) -> None:
        """Build without repo2docker."""
        walled = self.engine.walls and not self.engine.walls.off
        if recipe.dockerfile:
            text = without_syntax_line(read_lines(source, recipe.dockerfile), say)
            if walled:
                refuse_downloads(text)
                find = functools.partial(self.existing.below, say=say, halt=halt)
                text = beginning_with(
                    text,
                    lambda image: self.fetches_nothing(find(image)),
                    heredocs=self.engine.reads_heredocs,
                )
        elif recipe.image:
            below = self.existing.ensure(recipe.image, say=say, halt=halt)
            text = f"FROM {self.fetches_nothing(below) if walled else below}\n"
        else:
            base = self.bases.ensure(recipe.python, say=say, halt=halt)
            text = self.render(recipe, source, base)
        urls, folders = self.channels(recipe)
        made = made_files(recipe, channels=urls)
        obey = bool(recipe.dockerfile)
        with context_of(source, text, made=made, folders=folders, obey_ignore=obey) as context:
            self.engine.build(
                context,
                tag=tag,
                labels=labels,
                say=say,
                halt=halt,
                cache=cache,
                rendered=recipe.ours,
            )

    def fetches_nothing(self, image: str) -> str:
        """The image.

        :raises BadEnvironment: its ONBUILD lets the engine fetch an address.
        """
        refuse_triggers((self.client.images.get(image).attrs["Config"] or {}).get("OnBuild") or ())
        return image

    def remove_image(self, name: str) -> None:
        with contextlib.suppress(ImageNotFound):
            self.client.images.remove(name)

    def digest(self, name: str, tag: str) -> str:
        return self.existing.digest(name, tag)

    def sweep(self, *, older: float, cache: int, dry_run: bool) -> list[tuple[str, str, int]]:
        return sweep(self.client, older=older, cache=cache, dry_run=dry_run)

    def lock(self, name: str) -> str:
        try:
            return self.engine.run_once(name, LIST_PACKAGES, lines="all")[1]
        except BuildFailed:
            return ""

    def complete(
        self,
        image: str,
        labels: Mapping[str, str],
        say: Say,
        halt: Halt,
        *,
        anyway: bool = False,
    ) -> None:
        """What a Dockerfile's image lacks comes in a thin layer: git, the certificates to trust.

        `anyway` makes the layer for its labels alone.

        :raises BuildFailed: it cannot be installed.
        """
        lacks = set(self.engine.run_once(image, LACKS, halt=halt)[1].split())
        if not self.ca_bundle:
            lacks.discard("certificates")
        if lacks:
            say(f"The image has no {' and no '.join(sorted(lacks))}; added in a layer of its own")
        elif not anyway:
            return
        without = self.client.images.get(image)
        user = without.attrs["Config"].get("User") or "root"
        text = render_layer(image, user, git="git" in lacks, ca="certificates" in lacks)
        with tempfile.TemporaryDirectory() as folder:
            if self.ca_bundle:
                shutil.copyfile(self.ca_bundle, Path(folder, "ca.crt"))
            with context_of(Path(folder), text) as context:
                self.engine.build(context, tag=image, labels=labels, say=say, halt=halt)
        with contextlib.suppress(DockerException):  # the legacy builder's layers stand on it
            self.client.images.remove(str(without.id))

    def check(self, image: str, recipe: Recipe, say: Say, halt: Halt) -> None:
        """Run the image once, as a session would.

        :raises BuildFailed: it lacks what a session needs.
        """
        say("Checking that sessions can start from the image")
        own = recipe.ours
        script = smoke_command(recipe) if own else CONTRACT
        # By its own ENTRYPOINT, as sessions begin: one that runs no command is found here.
        code, said = self.engine.run_once(image, script, entrypoint=None, halt=halt)
        if not code and WORKS not in said:
            code, said = 1, "its ENTRYPOINT does not run the command that it is given"
        if code:
            raise BuildFailed(
                f"The image cannot run sessions: {said or f'exit code {code}'}.",
                hint=HINTS["python" if own else recipe.kind],
                log_tail=said.splitlines(),
            )

    def bases_named_in(self, source: Path, recipe: Recipe) -> list[str]:
        """The Pythons of our bases that a Dockerfile begins with."""
        if not recipe.dockerfile:
            return []
        words = with_arguments(read_lines(source, recipe.dockerfile))
        return [one for one in self.bases.settings.pythons if f"launcher/base:{one}" in words]


def image_of(found: Any, name: str) -> Image:
    labels = {str(key): str(value) for key, value in (found.labels or {}).items()}
    return Image(
        name=name,
        repo=labels.get("launcher.env.repo", ""),
        ref=labels.get("launcher.env.ref", ""),
        commit=labels.get("launcher.env.commit", ""),
        size=found.attrs.get("Size", 0),
        created=found.attrs.get("Created", ""),
        labels=labels,
    )
