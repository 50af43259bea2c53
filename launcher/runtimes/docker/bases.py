"""The bases that environments stand on, each made once per engine."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

import uv

from envs import base as bases
from envs import render_r
from envs.builder import Say
from envs.errors import BuildFailed, NotOffered
from envs.halt import NO_HALT, Halt
from launcher.runtimes.docker.context import context_of
from launcher.runtimes.docker.engine import Engine
from launcher.settings.sections import BaseConfig


@functools.cache
def uv_version() -> str:
    """Asked for at every click; reading a package's metadata takes 5 ms."""
    return installed_version("uv")


@dataclass(frozen=True)
class DockerBases:
    """Makes `envs.base.Base`s into images."""

    engine: Engine
    settings: BaseConfig
    ca_bundle: Path | None
    folder: Path
    """For locks and for Debian root file systems under construction."""

    def offers(self, python: str) -> bool:
        return python in self.settings.pythons

    def base(self, python: str) -> bases.Base:
        """What the base of this Python is made of.

        :raises NotOffered: the settings have no such Python.
        """
        if not self.offers(python):
            known = ", ".join(sorted(self.settings.pythons))
            raise NotOffered(
                f"Python {python} is not offered on this server.",
                hint=f"Write python-{known.split(', ')[0]} in runtime.txt, or name the version in "
                f"an environment.yml; offered: {known}.",
            )
        return bases.Base(
            python=python,
            release=self.settings.pythons[python],
            server=self.settings.server,
            uv=uv_version(),
            ca=self.ca_bundle.read_bytes() if self.ca_bundle else b"",
            index_url=self.settings.index_url,
        )

    def releases(self, python: str) -> tuple[str, ...]:
        """The Debian releases of which one is below this Python's base."""
        named = set(re.findall(r"[a-z]+", self.root_name(python))) & set(render_r.RELEASES)
        pulled = named or {""} if self.settings.source != "debootstrap" else set()
        packed = {self.settings.pythons[python]} if self.settings.source != "image" else set()
        return tuple(sorted(pulled | packed))

    def root_name(self, python: str) -> str:
        """The image that the settings want below this Python's base."""
        return self.settings.image.format(python=python, release=self.settings.pythons[python])

    def ensure(self, python: str, *, say: Say, halt: Halt = NO_HALT) -> bases.Base:
        """The base of this Python, built if it is not here yet."""
        base = self.base(python)
        if self.engine.has_image(base.name):
            return base
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / f"base-{python}.lock").open("w") as lock:
            halt.lock(lock)
            if not self.engine.has_image(base.name):
                say(f"Building the base for Python {python}, once")
                self.build(base, say=say, halt=halt)
        return base

    def build(self, base: bases.Base, *, say: Say, halt: Halt = NO_HALT) -> None:
        """Build the base anew and give it its two names."""
        root = self.root_image(base, say, halt)
        text = bases.render_base(base, root_image=root, mounts=self.engine.mounts)
        with tempfile.TemporaryDirectory(prefix="launcher-base-") as folder:
            shutil.copy(uv.find_uv_bin(), f"{folder}/uv")
            os.chmod(f"{folder}/uv", 0o755)  # noqa: S103 - a program for every user of the image
            shutil.copyfile(bases.LEAN, f"{folder}/{bases.LEAN.name}")
            Path(folder, "ca.crt").write_bytes(base.ca)
            with context_of(Path(folder), text) as context:
                labels = {"launcher.base": base.python, "launcher.base.key": base.key}
                self.engine.build(
                    context,
                    tag=base.name,
                    labels=labels,
                    say=say,
                    halt=halt,
                    cache="base",
                    rendered=True,
                )
        self.engine.client.images.get(base.name).tag(base.short_name)

    def root_image(self, base: bases.Base, say: Say, halt: Halt) -> str:
        """The image that the base begins with, by the way that the settings choose.

        :raises NotOffered: neither way works here.
        """
        wanted = self.root_name(base.python)
        if self.settings.source != "debootstrap" and self.engine.pulled(wanted, say, halt):
            return wanted
        if self.settings.source == "image":
            raise NotOffered(
                f"The image {wanted} cannot be pulled.", hint="Set base.source: debootstrap."
            )
        return self.debian_root(base, say, halt)

    def debian_root(self, base: bases.Base, say: Say, halt: Halt) -> str:
        """A root file system from Debian packages alone, imported once per release."""
        name = f"launcher/debian:{base.release}"
        if self.engine.label(name, "launcher.root") == bases.ROOT_VERSION:
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
            with (
                subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                ) as process,
                halt.ending(process.kill),
            ):
                said, _ = process.communicate()
            if process.returncode:
                raise BuildFailed("debootstrap failed.", log_tail=said.splitlines()[-20:])
            bases.clean_root(Path(folder))
            tar = subprocess.Popen(
                ["tar", "-C", folder, "--one-file-system", "-c", "."], stdout=subprocess.PIPE
            )
            self.engine.client.api.import_image_from_stream(
                tar.stdout,
                repository="launcher/debian",
                tag=base.release,
                changes=[f"LABEL launcher.root={bases.ROOT_VERSION}"],
            )
            if tar.wait(60):
                self.engine.client.images.remove(name)
                raise BuildFailed("The Debian root file system could not be packed.")
        return name
