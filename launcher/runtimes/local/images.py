"""Images without an engine: an image is a prepared venv and a copy of the repository."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from envs.atomic import write_text
from envs.base import LEAN
from envs.builder import Say
from envs.conda import PROGRAM
from envs.errors import BuildFailed, NotOffered
from envs.halt import NO_HALT, Halt
from envs.image import Image
from envs.lock import pip_part
from envs.netrc import read_netrc
from envs.readers.r import asked_by
from envs.recipe import Conda, Recipe
from envs.render import LOCK
from envs.room import ROOMY, Room
from envs.smoke import SCRIPT
from launcher.runtimes.local import conda
from launcher.runtimes.local.build_steps import BUILD_UID, BuildSteps
from launcher.runtimes.local.pythons import every_python, find_python, has_python
from launcher.runtimes.local.sandbox import Sandbox
from launcher.runtimes.local.venv import LOCK_FILE, venv_steps
from launcher.settings.sections import CondaConfig

CACHE = "cache"
"""How the names of package caches begin; an older launcher had one of this name for all."""
BUILDER = "venv-2"
"""Counts up when the same recipe would give another image."""


@dataclass
class LocalImages:
    """Satisfies `envs.builder.Builder` with folders: `<folder>/<name>.json` names the venv.

    The index file is written last, so a build that was killed left nothing that looks built.
    """

    folder: Path
    data: Path
    """The data folder, of which sandboxes see nothing but their own place and home."""
    server: tuple[str, ...]
    index_url: str
    ca_bundle: Path | None
    sandbox: Sandbox
    conda: CondaConfig
    timeout: float = 3600.0
    kind: str = "venv"
    bases: None = None
    netrc: Path | None = None
    """Credentials of package indexes."""
    room: Room = ROOMY

    def plan(self, recipe: Recipe, source: Path) -> str:
        if recipe.r or not recipe.ours:
            asks = f"{recipe.delegated or f'{asked_by(recipe)} asks for R'}, which"
            raise needs_engine(recipe.dockerfile or recipe.image or asks)
        recipe = recipe.fitted(has_python=has_python(recipe.python, data=self.data))
        python = find_python(recipe.python, data=self.data)
        parts = (recipe.python, python, recipe.requirements, *recipe.apt, *self.server)
        lean = LEAN.read_text("utf-8")
        more = [recipe.generated, "package" if recipe.package else "", *map(str, recipe.variables)]
        if recipe.conda:
            more += [PROGRAM.read_text("utf-8"), str(recipe.conda), *self._channels(recipe.conda)]
        return "\n".join([BUILDER, lean, *map(str, parts), recipe.post_build, recipe.start, *more])

    def dockerfile(self, recipe: Recipe, *, source: Path) -> str:
        return ""

    def find_image(self, name: str) -> Image | None:
        try:
            known = json.loads(self._index(name).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        labels = known["labels"]
        return Image(
            name=name,
            repo=labels.get("launcher.env.repo", ""),
            ref=labels.get("launcher.env.ref", ""),
            commit=labels.get("launcher.env.commit", ""),
            created=known["created"],
            labels=labels,
        )

    def list_images(self) -> list[Image]:
        names = [json.loads(path.read_text("utf-8"))["name"] for path in self.folder.glob("*.json")]
        return [image for name in sorted(names) if (image := self.find_image(name))]

    def place(self, name: str) -> Path | None:
        """The folder with `venv` and `repo` of a built image."""
        with contextlib.suppress(OSError, ValueError):
            return Path(json.loads(self._index(name).read_text("utf-8"))["place"])
        return None

    def pythons(self, name: str) -> list[Path]:
        """The interpreters that the image's sessions must see.

        The venv names its own, but the build's programs could write there what they want to see.
        Images of before 2026-11 did not keep it apart: theirs is one of this machine's.
        """
        with contextlib.suppress(OSError, ValueError, KeyError):
            return [Path(json.loads(self._index(name).read_text("utf-8"))["python"])]
        return every_python(data=self.data)

    def start_file(self, name: str) -> str:
        """The `start` file of a built image, or empty."""
        found = self.find_image(name)
        return found.labels.get("launcher.env.start", "") if found else ""

    def variables(self, name: str) -> dict[str, str]:
        """The environment variables of a built image's sessions."""
        found = self.find_image(name)
        return dict(json.loads(found.labels.get("launcher.env.variables", "{}"))) if found else {}

    def digest(self, name: str, tag: str) -> str:
        raise needs_engine(f"The image {name}:{tag}")

    def sweep(self, *, older: float, cache: int, dry_run: bool) -> list[tuple[str, str, int]]:
        known = {self.place(image.name) for image in self.list_images()}
        found = []
        for place in (self.folder / "built").glob("*"):
            if place not in known and time.time() - place.lstat().st_mtime > older:
                found.append(("leftover", place.name, size_of(place)))
                if not dry_run:
                    shutil.rmtree(place, ignore_errors=True)
        held = {one: size_of(one) for one in self.folder.glob(f"{CACHE}*")}
        if sum(held.values()) > cache:
            found += [("package cache", one.name, size) for one, size in held.items()]
            if not dry_run:
                empty_caches(self.folder)
        return found

    def lock(self, name: str) -> str:
        place = self.place(name)
        if place is None:
            return ""
        try:  # the build could have put a link to anything there
            handle = os.open(place / LOCK_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return ""
        with os.fdopen(handle, "rb") as file:
            return file.read(1_000_000).decode("utf-8", "replace")

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
        recipe = recipe.fitted(has_python=has_python(recipe.python, data=self.data))
        halt = halt.within(self.timeout)
        self.room.ensure(say)
        check_system_packages(recipe.apt)
        place = self.folder / "built" / uuid.uuid4().hex[:12]
        python = find_python(recipe.python, data=self.data)
        try:
            self._fill(
                place,
                recipe,
                python=python,
                source=source,
                say=say,
                halt=halt,
                cache=self._cache(cache or name),
            )
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(home_of(place), ignore_errors=True)
        known = {
            "name": name,
            "place": str(place),
            "python": str(python),
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "labels": {
                **labels,
                "launcher.env.start": recipe.start,
                "launcher.env.variables": json.dumps(dict(recipe.variables)),
            },
        }
        write_text(self._index(name), json.dumps(known))
        found = self.find_image(name)
        if found is None:
            raise BuildFailed("The venv vanished right after it was made.")
        return found

    def remove_image(self, name: str) -> None:
        place = self.place(name)
        self._index(name).unlink(missing_ok=True)
        if place:
            shutil.rmtree(place, ignore_errors=True)

    def _fill(
        self,
        place: Path,
        recipe: Recipe,
        *,
        python: Path,
        source: Path,
        say: Say,
        halt: Halt,
        cache: Path,
    ) -> None:
        home = home_of(place)
        place.mkdir(mode=0o755, parents=True)
        cache.mkdir(mode=0o755, exist_ok=True)
        home.mkdir()
        shutil.copytree(source, place / "repo", symlinks=True)
        shutil.copyfile(LEAN, place / LEAN.name)
        if recipe.generated:
            write_inside(place / "repo", recipe.requirements, recipe.generated)
        if recipe.lock:
            write_inside(place / "repo", LOCK, pip_part(recipe.lock))
        if recipe.conda:
            urls = self._channels(recipe.conda)
            conda.write_request(recipe.conda, place, urls=urls, lock=recipe.lock)
        if self.sandbox.own_uids:
            for path in (place, home, cache, *place.rglob("*")):
                os.chown(path, BUILD_UID, BUILD_UID, follow_symlinks=False)
        tool = uv.find_uv_bin()

        def tell(line: str) -> None:
            """Where the launcher is on this machine is nobody's business."""
            say(line.replace(f"{place}/", "").replace(tool, "uv"))

        steps = venv_steps(recipe, place=place, python=python, server=self.server, cache=cache)
        netrc = read_netrc(self.netrc) if self.netrc else None
        run = BuildSteps(
            self.folder, cache, self.sandbox, self.conda, python, self.index_url, self.ca_bundle
        ).run
        for step in steps:
            tell(f"$ {' '.join(step)}")
            installs = netrc if {"install", "finish"} & set(step) else None
            run(conda.activated(place, step), place, home, tell, halt, netrc=installs)
        say("Checking that sessions can start from it")
        try:
            smoke = [conda.server_python(place), "-c", SCRIPT]
            smoke += ["lenient"] if recipe.conda else []
            run(conda.activated(place, smoke), place, home, tell, halt)
        except BuildFailed as error:
            why = error.log_tail[-1] if error.log_tail else error.message
            raise BuildFailed(
                f"The environment cannot run sessions: {why}.",
                hint="Change the versions that the environment's files ask for.",
                log_tail=error.log_tail,
            ) from error
        shutil.rmtree(place / conda.STEPS, ignore_errors=True)

    def _cache(self, whose: str) -> Path:
        """The folder of their package cache; no other build sees it."""
        return self.folder / f"{CACHE}-{hashlib.sha256(whose.encode()).hexdigest()[:16]}"

    def _channels(self, wanted: Conda) -> tuple[str, ...]:
        return self.conda.urls(wanted.channels)

    def _index(self, name: str) -> Path:
        return self.folder / f"{re.sub(r'[^A-Za-z0-9.-]', '_', name)}.json"


def home_of(place: Path) -> Path:
    """The home folder of a build, where none can put a link to another folder instead of it."""
    return place.with_name(f"{place.name}-home")


def size_of(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(one.lstat().st_size for one in folder.rglob("*") if not one.is_dir())


def empty_caches(folder: Path) -> None:
    """Remove downloaded packages, by the tool that knows whether a build is using them."""
    for cache in folder.glob(f"{CACHE}*"):
        command = [uv.find_uv_bin(), "cache", "clean", "--quiet", "--cache-dir", str(cache)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(
                command, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )


def write_inside(root: Path, name: str, text: str) -> None:
    """Write a file of a stranger's checkout; its links may lead anywhere.

    :raises BuildFailed: the file's folder is not in the checkout.
    """
    target = root / name
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise BuildFailed(f"{target.parent.name} is a link that leads out of the repository.")
    target.unlink(missing_ok=True)
    target.write_text(text, "utf-8")


def needs_engine(what: str) -> NotOffered:
    return NotOffered(
        f"{what} needs a Docker engine, and this launcher runs without one.",
        hint="Start an engine and set runtime: docker.",
    )


def check_system_packages(packages: Sequence[str]) -> None:
    """:raises NotOffered: apt.txt names packages that this machine lacks."""
    missing = []
    for name in packages:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f=${Status}", "--", name.split("=")[0]],
            capture_output=True,
            text=True,
        )
        if "ok installed" not in done.stdout:
            missing.append(name)
    if missing:
        raise NotOffered(
            f"apt.txt needs {', '.join(missing)}, and without Docker nothing is installed here.",
            hint="Install them on this machine, or use runtime: docker.",
        )
