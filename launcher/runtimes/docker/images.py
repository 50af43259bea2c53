"""Images on a Docker engine: built under a temporary tag, checked, and only then named."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import docker
import uv
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils import exclude_paths

from envs import base as bases
from envs.builder import Say
from envs.errors import BadEnvironment, BuildFailed, NotOffered
from envs.image import Image
from envs.readers.files import find_file, read_lines
from envs.readers.requirements import refers_to_repository
from envs.recipe import Recipe
from envs.render import LOCK, LOCK_IN_IMAGE, render_dockerfile, render_layer
from envs.smoke import SCRIPT
from launcher.config import BaseConfig
from launcher.runtimes.docker import buildkit

BUILDER = "docker-1"
"""Counts up when the same recipe would give another image."""
OURS = "launcher.env.name"
MOST_STARS, MOST_PATTERNS = 4, 500
"""In `.dockerignore`: a line with many wildcards takes for ever to match."""
LARGEST_LOCK = 1_000_000
"""Bytes; whoever writes an environment could put anything in the lock's place."""
DOCKERFILE = ".launcher.Dockerfile"
# What sessions need of an image; its own user does not matter, they run as 1000.
CONTRACT = (
    "command -v python3 >/dev/null || { echo 'it has no python3'; exit 1; }; "
    "git --version >/dev/null || { echo 'it has no git'; exit 1; }; "
    "jupyter-server --version >/dev/null 2>&1 || jupyter server --version >/dev/null 2>&1 "
    "|| { echo 'it has no Jupyter server'; exit 1; }"
)

# What a session needs and the launcher can add to whatever image a Dockerfile makes.
LACKS = (
    "command -v git >/dev/null || echo git; "
    f"[ ! -s {bases.CA_IN_IMAGE} ] && echo certificates; true"
)


@dataclass
class DockerImages:
    """Satisfies `envs.builder.Builder` on a Docker engine."""

    client: docker.DockerClient
    settings: BaseConfig
    ca_bundle: Path | None
    folder: Path
    """For locks and for Debian root file systems under construction."""
    timeout: float = 3600.0
    """Seconds that one build may take."""
    buildkit: bool | None = None
    """None probes the engine once."""
    kind: str = "docker"

    def plan(self, recipe: Recipe, source: Path) -> str:
        if recipe.kind == "dockerfile":
            below = [self.base(python).name for python in self.bases_named_in(source, recipe)]
            trusted = self.ca_bundle.read_bytes() if self.ca_bundle else b""
            ca = hashlib.sha256(trusted).hexdigest()
            return "\n".join([BUILDER, recipe.dockerfile, *below, ca])
        base = self.base(recipe.python)
        return f"{BUILDER}\n{self.render(recipe, source, base)}{recipe.generated}"

    def render(self, recipe: Recipe, source: Path, base: bases.Base) -> str:
        """The Dockerfile of a recipe; the legacy builder's differs only in cache mounts."""
        needs = refers_to_repository(source, recipe)
        return render_dockerfile(recipe, base=base.name, needs_repo=needs, mounts=self.has_buildkit)

    def find_image(self, name: str) -> Image | None:
        try:
            return image_of(self.client.images.get(name), name)
        except ImageNotFound:
            return None

    def list_images(self) -> list[Image]:
        found = self.client.images.list(filters={"label": OURS})
        return [image_of(one, str(one.labels[OURS])) for one in found if one.tags]

    def build(
        self,
        name: str,
        recipe: Recipe,
        *,
        source: Path,
        labels: Mapping[str, str],
        say: Say,
    ) -> Image:
        temp = f"launcher-build/{uuid.uuid4().hex[:12]}:new"
        if recipe.kind == "dockerfile":
            for python in self.bases_named_in(source, recipe):
                base = self.ensure_base(python, say=say)
                self.client.images.get(base.name).tag(base.short_name)
            text = without_syntax_line(read_lines(source, recipe.dockerfile), say)
        else:
            base = self.ensure_base(recipe.python, say=say)
            text = self.render(recipe, source, base)
        try:
            made = {recipe.requirements: recipe.generated} if recipe.generated else {}
            made |= {LOCK: recipe.lock} if recipe.lock else {}
            obey = recipe.kind == "dockerfile"
            with context_of(source, text, made=made, obey_ignore=obey) as context:
                self.run_build(context, tag=temp, labels=labels, say=say)
            if recipe.kind == "dockerfile":
                self.complete(temp, labels, say)
            self.check(temp, recipe, say)
            self.client.images.get(temp).tag(name)
        finally:
            with contextlib.suppress(DockerException):
                self.client.images.remove(temp)
        found = self.find_image(name)
        if found is None:
            raise BuildFailed("The engine lost the image right after the build.")
        return found

    def remove_image(self, name: str) -> None:
        with contextlib.suppress(ImageNotFound):
            self.client.images.remove(name)

    def lock(self, name: str) -> str:
        try:
            said: bytes = self.client.containers.run(
                name,
                ["-c", str(LARGEST_LOCK), LOCK_IN_IMAGE],
                entrypoint=["head"],
                network_mode="none",
                remove=True,
            )
        except DockerException:  # an image of somebody's own Dockerfile keeps none
            return ""
        return said.decode("utf-8", "replace")

    def complete(self, image: str, labels: Mapping[str, str], say: Say) -> None:
        """What a Dockerfile's image lacks comes in a thin layer: git, the certificates to trust.

        :raises BuildFailed: it cannot be installed.
        """
        lacks = set(self.run_once(image, LACKS)[1].split())
        if not self.ca_bundle:
            lacks.discard("certificates")
        if not lacks:
            return
        say(f"The image has no {' and no '.join(sorted(lacks))}; added in a layer of its own")
        without = self.client.images.get(image)
        user = without.attrs["Config"].get("User") or "root"
        text = render_layer(image, user, git="git" in lacks, ca="certificates" in lacks)
        with tempfile.TemporaryDirectory() as folder:
            if self.ca_bundle:
                shutil.copyfile(self.ca_bundle, Path(folder, "ca.crt"))
            with context_of(Path(folder), text) as context:
                self.run_build(context, tag=image, labels=labels, say=say)
        with contextlib.suppress(DockerException):  # the legacy builder's layers stand on it
            self.client.images.remove(str(without.id))

    def check(self, image: str, recipe: Recipe, say: Say) -> None:
        """Run the image once, as a session would.

        :raises BuildFailed: it lacks what a session needs.
        """
        say("Checking that sessions can start from the image")
        own = recipe.kind == "python"
        code, said = self.run_once(
            image, f"exec python -c {shlex.quote(SCRIPT)}" if own else CONTRACT
        )
        if code:
            raise BuildFailed(
                f"The image cannot run sessions: {said or f'exit code {code}'}.",
                hint="Change the versions that the environment's files ask for."
                if own
                else "Install it in the Dockerfile, or begin with FROM launcher/base:3.11.",
                log_tail=said.splitlines(),
            )

    def run_once(self, image: str, script: str) -> tuple[int, str]:
        """Exit code and last lines of a shell script in a new container, as the student.

        :raises BuildFailed: the image cannot run at all.
        """
        try:
            container = self.client.containers.create(
                image,
                ["-c", script],
                entrypoint="/bin/sh",
                user="1000:1000",
                network_mode="none",
                environment={"HOME": "/tmp"},
            )
        except ImageNotFound as error:
            raise BuildFailed("The engine ended the build before the image was whole.") from error
        try:
            container.start()
            code = container.wait(timeout=240)["StatusCode"]
            return int(code), container.logs(tail=20).decode("utf-8", "replace").strip()
        except APIError as error:
            raise BuildFailed(f"The image cannot run: {error.explanation}") from error
        finally:
            container.remove(force=True)

    # The bases that environments stand on

    def base(self, python: str) -> bases.Base:
        """What the base of this Python is made of.

        :raises NotOffered: the settings have no such Python.
        """
        if python not in self.settings.pythons:
            known = ", ".join(sorted(self.settings.pythons))
            raise NotOffered(
                f"Python {python} is not offered on this server.",
                hint=f"Write python-{known.split(', ')[0]} in runtime.txt; offered: {known}.",
            )
        return bases.Base(
            python=python,
            release=self.settings.pythons[python],
            server=self.settings.server,
            uv=installed_version("uv"),
            ca=self.ca_bundle.read_bytes() if self.ca_bundle else b"",
            index_url=self.settings.index_url,
        )

    def ensure_base(self, python: str, *, say: Say) -> bases.Base:
        """The base of this Python, built if it is not here yet."""
        base = self.base(python)
        if self.find_image(base.name):
            return base
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / f"base-{python}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.find_image(base.name):
                say(f"Building the base for Python {python}, once")
                self.build_base(base, say=say)
        return base

    def build_base(self, base: bases.Base, *, say: Say) -> None:
        """Build the base anew and give it its two names."""
        root = self.root_image(base, say)
        text = bases.render_base(base, root_image=root, mounts=self.has_buildkit)
        with tempfile.TemporaryDirectory(prefix="launcher-base-") as folder:
            shutil.copyfile(uv.find_uv_bin(), f"{folder}/uv")
            Path(folder, "ca.crt").write_bytes(base.ca)
            with context_of(Path(folder), text) as context:
                labels = {"launcher.base": base.python, "launcher.base.key": base.key}
                self.run_build(context, tag=base.name, labels=labels, say=say)
        self.client.images.get(base.name).tag(base.short_name)

    def root_image(self, base: bases.Base, say: Say) -> str:
        """The image that the base begins with, by the way that the settings choose.

        :raises NotOffered: neither way works here.
        """
        wanted = self.settings.image.format(python=base.python)
        if self.settings.source != "debootstrap" and self.pulled(wanted, say):
            return wanted
        if self.settings.source == "image":
            raise NotOffered(
                f"The image {wanted} cannot be pulled.", hint="Set base.source: debootstrap."
            )
        return self.debian_root(base, say)

    def pulled(self, image: str, say: Say) -> bool:
        if self.find_image(image):
            return True
        say(f"Pulling {image}")
        try:
            self.client.images.pull(image)
            return True
        except DockerException as error:
            say(f"It cannot be pulled ({str(error).splitlines()[0][:120]})")
            return False

    def debian_root(self, base: bases.Base, say: Say) -> str:
        """A root file system from Debian packages alone, imported once per release."""
        name = f"launcher/debian:{base.release}"
        if self.find_image(name):
            return name
        if os.geteuid() != 0 or not shutil.which("debootstrap"):
            raise NotOffered(
                "No base image can be pulled, and debootstrap cannot run here.",
                hint="Install the package debootstrap and run as root, or set base.image.",
            )
        say(f"Making a Debian {base.release} root file system with debootstrap, about a minute")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix="root-") as folder:
            os.chmod(folder, 0o755)  # noqa: S103 - it becomes the image's own root folder
            command = bases.debootstrap_command(base, folder, self.settings.debian_mirror)
            done = subprocess.run(command, capture_output=True, text=True, timeout=self.timeout)
            if done.returncode:
                raise BuildFailed("debootstrap failed.", log_tail=done.stdout.splitlines()[-20:])
            tar = subprocess.Popen(
                ["tar", "-C", folder, "--one-file-system", "-c", "."], stdout=subprocess.PIPE
            )
            self.client.api.import_image_from_stream(
                tar.stdout, repository="launcher/debian", tag=base.release
            )
            if tar.wait(60):
                self.remove_image(name)
                raise BuildFailed("The Debian root file system could not be packed.")
        return name

    def bases_named_in(self, source: Path, recipe: Recipe) -> list[str]:
        """The Pythons of our bases that a Dockerfile begins with."""
        words = (source / recipe.dockerfile).read_text("utf-8", "replace").split()
        return [one for one in self.settings.pythons if f"launcher/base:{one}" in words]

    @property
    def has_buildkit(self) -> bool:
        if self.buildkit is None:
            self.buildkit = buildkit.probe(self.client)
        return self.buildkit

    def run_build(
        self, context: IO[bytes], *, tag: str, labels: Mapping[str, str], say: Say
    ) -> None:
        run = buildkit.build if self.has_buildkit else buildkit.build_legacy
        run(
            self.client,
            context,
            tag=tag,
            dockerfile=DOCKERFILE,
            labels=labels,
            say=say,
            timeout=self.timeout,
        )


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


def without_syntax_line(lines: list[str], say: Say) -> str:
    """The Dockerfile without a `# syntax=` line, which makes the engine pull a frontend image."""
    kept = [line for line in lines if not line.lower().replace(" ", "").startswith("#syntax=")]
    if len(kept) < len(lines):
        say("Note: the Dockerfile's `# syntax=` line is left out; the engine's own builder is used")
    return "\n".join(kept) + "\n"


def not_ignored(source: Path, dockerfile: str) -> set[str] | None:
    """The paths that `.dockerignore` leaves in a build; None where there is no such file.

    The engine obeys the file only for clients that send a folder piece by piece, as its own does.
    """
    if not find_file(source, ".dockerignore"):
        return None
    patterns = []
    for number, line in enumerate(read_lines(source, ".dockerignore"), start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            if text.count("*") > MOST_STARS or number > MOST_PATTERNS:
                raise BadEnvironment(
                    f".dockerignore line {number} is too much to match.",
                    hint="Name the folders instead.",
                )
            patterns.append(text)
    try:
        kept = set(exclude_paths(str(source), patterns, dockerfile=dockerfile))
    except re.error as error:
        raise BadEnvironment(f".dockerignore cannot be understood: {error}.") from error
    return kept | {str(above) for path in kept for above in Path(path).parents}


@contextlib.contextmanager
def context_of(
    source: Path,
    dockerfile: str,
    *,
    made: Mapping[str, str] = MappingProxyType({}),
    obey_ignore: bool = False,
) -> Iterator[IO[bytes]]:
    """The checkout, files `made` for it and the Dockerfile as a tar.

    Owners and times are fixed, so that caches hold.
    """

    wanted = not_ignored(source, DOCKERFILE) if obey_ignore else None

    def fixed(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        if wanted is not None and member.name not in wanted:
            return None
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = 0
        return member

    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            for child in sorted(source.iterdir()):
                tar.add(child, arcname=child.name, filter=fixed)
            for name, content in {**made, DOCKERFILE: dockerfile}.items():
                data = content.encode()
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
        file.seek(0)
        yield file
